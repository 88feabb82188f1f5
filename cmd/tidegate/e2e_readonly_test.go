//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tidegate/sinks/journal"
)

// A journal on a file system that cannot be written is read, and a gateway says why it does not start.
func TestJournalOnReadOnlyFileSystem(t *testing.T) {
	const mark = "TIDEGATE_TEST_MOUNT"
	dir := os.Getenv(mark)
	if dir == "" {
		if os.Getuid() != 0 {
			t.Skip("SKIPPED: only root may mount a file system")
		}
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), mark+"="+t.TempDir())
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		out, err := cmd.CombinedOutput()
		if err != nil && strings.Contains(err.Error(), "operation not permitted") {
			t.Skip("SKIPPED: this machine allows no mount namespaces")
		}
		if err != nil {
			t.Errorf("in the namespace: %v\n%s", err, out)
		}
		return
	}
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	c := journal.Config{Dir: filepath.Join(dir, "journal"), SegmentBytes: 2 << 20, ReserveBytes: 1}
	j, err := journal.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	j.Append(journal.Header{At: journalStart}, []byte("tide"))
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"verify", "stat", "dump"} {
		mustRun(t, "journal", command, c.Dir)
	}
	for _, name := range []string{"journal", "new"} {
		c.Dir = filepath.Join(dir, name)
		if _, err := journal.Open(c); err == nil || !strings.Contains(err.Error(), c.Dir) || !strings.HasSuffix(err.Error(), "read-only file system") {
			t.Errorf("%s: %v", name, err)
		}
	}
	code, _, stderr := tidegate(t, "journal", "export", filepath.Join(dir, "journal"), "-o", filepath.Join(dir, "out.dbn"))
	if code != exitFailure || !strings.Contains(stderr, "read-only file system") {
		t.Errorf("export: exit %d, %s", code, stderr)
	}
}
