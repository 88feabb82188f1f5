// Package pgcluster makes and runs private PostgreSQL clusters from the binaries that are installed: for
// people who have no server yet, for the demonstration and for tests.
//
//	bin, err := pgcluster.Find()
//	c := pgcluster.Cluster{Dir: dir, Bin: bin, Port: 5433, Superuser: "tidegate", Settings: settings}
//	err = c.Init(ctx)
//	s, err := c.Start(ctx)
//	... c.DSN("postgres") ...
//	err = s.Stop(pgcluster.Fast)
//
// PostgreSQL refuses to run as root, so a process of root's runs it as the user postgres or nobody.
package pgcluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrNotInstalled is wrapped by the error of Find.
var ErrNotInstalled = errors.New("PostgreSQL is not installed")

// Find returns the directory of the server's binaries: of the latest version below
// /usr/lib/postgresql, where Debian has them, else where initdb is in the path.
func Find() (bin string, err error) {
	const pattern = "/usr/lib/postgresql/*/bin/initdb"
	found, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // 0: of no use, and the last choice
		return n
	}
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	if len(found) > 0 {
		return filepath.Dir(found[0]), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", fmt.Errorf("find initdb: neither %s nor in the path: %w", pattern, ErrNotInstalled)
	}
	return filepath.Dir(path), nil
}

// A Cluster is a data directory and what its server is to be like.
type Cluster struct {
	Dir       string // the data directory; its parent must be there
	Bin       string // directory of the binaries
	Port      int    // on 127.0.0.1, and of the socket in the directory
	Superuser string // made by Init
	Password  string // of the superuser; "": whoever can reach the server is trusted
	Settings  string // lines for postgresql.conf
	WALDir    string // for the write-ahead log, which deserves a device of its own; "": in Dir
	NoSync    bool   // Init does not wait for the disk: for clusters that are gone soon
}

// MkdirTemp makes a new directory for clusters below dir, or below /tmp if the user of the server cannot get to dir. It
// is the caller's to remove.
func MkdirTemp(dir, pattern string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	made, err := os.MkdirTemp(reachable(dir), pattern)
	if err != nil {
		return "", err
	}
	return made, os.Chmod(made, 0o711)
}

// reachable returns a directory that the user of the server can get to: dir, or the system's.
func reachable(dir string) string {
	if os.Getuid() != 0 {
		return dir
	}
	for d := dir; ; d = filepath.Dir(d) {
		if info, err := os.Stat(d); err != nil || info.Mode().Perm()&1 == 0 {
			return "/tmp"
		}
		if d == filepath.Dir(d) {
			return dir
		}
	}
}

// Init makes the cluster, with data checksums. The directory must be missing or empty.
func (c *Cluster) Init(ctx context.Context) error {
	owner, err := account()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("make cluster: %w", err)
	}
	if owner != nil {
		if err := os.Chown(c.Dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return fmt.Errorf("make cluster: %w", err)
		}
	}
	auth, args := "trust", []string{"--pgdata", c.Dir, "--username", c.Superuser, "--encoding", "UTF8", "--no-locale", "--data-checksums"}
	if c.Password != "" {
		auth = "scram-sha-256"
		file, err := c.passwordFile(owner)
		if err != nil {
			return fmt.Errorf("make cluster: password: %w", err)
		}
		defer os.Remove(file)
		args = append(args, "--pwfile", file)
	}
	if c.WALDir != "" {
		args = append(args, "--waldir", c.WALDir)
	}
	if c.NoSync {
		args = append(args, "--no-sync")
	}
	cmd := c.command(ctx, owner, "initdb", append(args, "--auth", auth)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make cluster in %s: initdb: %w: %s", c.Dir, err, lastLines(out))
	}
	conf, err := os.OpenFile(filepath.Join(c.Dir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("make cluster: %w", err)
	}
	_, err = fmt.Fprintf(conf, "\nlisten_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories = '.'\n\n%s\n", c.Port, c.Settings)
	if err = errors.Join(err, conf.Close()); err != nil {
		return fmt.Errorf("make cluster: %w", err)
	}
	return nil
}

// passwordFile writes the password to where initdb can read it.
func (c *Cluster) passwordFile(owner *syscall.Credential) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(c.Dir), ".password") // readable for this user only
	if err != nil {
		return "", err
	}
	if owner != nil {
		err = f.Chown(int(owner.Uid), int(owner.Gid))
	}
	_, err2 := f.WriteString(c.Password + "\n")
	if err := errors.Join(err, err2, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// DSN returns how the superuser reaches a database.
func (c *Cluster) DSN(database string) string {
	dsn := fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=%s sslmode=disable", c.Port, c.Superuser, database)
	if c.Password != "" {
		dsn += " password=" + c.Password
	}
	return dsn
}

// A Server is a running server of a cluster. It ends with the process that started it.
type Server struct {
	cmd  *exec.Cmd
	out  bytes.Buffer
	done chan struct{}
}

// Start starts the server and returns when it takes connections.
func (c *Cluster) Start(ctx context.Context) (*Server, error) {
	owner, err := account()
	if err != nil {
		return nil, err
	}
	s := &Server{done: make(chan struct{})}
	// The server outlives ctx, which is for starting it.
	s.cmd = c.command(context.WithoutCancel(ctx), owner, "postgres", "-D", c.Dir)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	pid := filepath.Join(c.Dir, "postmaster.pid")
	if err := os.Remove(pid); err != nil && !errors.Is(err, os.ErrNotExist) { // of one that was killed
		return nil, fmt.Errorf("start server: %w", err)
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	go func() {
		_ = s.cmd.Wait() // what it said is in out
		close(s.done)
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return nil, fmt.Errorf("start server of %s: it ended: %s", c.Dir, lastLines(s.out.Bytes()))
		case <-ctx.Done():
			return nil, fmt.Errorf("start server of %s: %w", c.Dir, errors.Join(ctx.Err(), s.Stop(Immediate)))
		case <-tick.C:
		}
		// The eighth line says what the server is up to.
		b, err := os.ReadFile(pid)
		if lines := bytes.Split(b, []byte("\n")); err == nil && len(lines) > 7 && string(bytes.TrimSpace(lines[7])) == "ready" {
			return s, nil
		}
	}
}

// A Way is how a server is stopped.
type Way syscall.Signal

// Ways, with the names that pg_ctl has for them.
const (
	Fast      = Way(syscall.SIGINT)  // sessions are ended, everything is written
	Immediate = Way(syscall.SIGQUIT) // as in a crash: the next start recovers
)

// Stop stops the server and returns when it has ended.
func (s *Server) Stop(w Way) error {
	if err := s.cmd.Process.Signal(syscall.Signal(w)); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop server: %w", err)
	}
	<-s.done
	return nil
}

// Log returns what the server has said. Only after Stop.
func (s *Server) Log() string { return s.out.String() }

// Owner returns as whom the server runs, "" if as the user of this process.
func Owner() (string, error) {
	c, err := account()
	if err != nil || c == nil {
		return "", err
	}
	u, err := user.LookupId(strconv.FormatUint(uint64(c.Uid), 10))
	if err != nil {
		return "", err
	}
	return u.Username, nil
}

// Command returns one of the binaries, to be run as the user who owns the cluster.
func (c *Cluster) Command(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	owner, err := account()
	if err != nil {
		return nil, err
	}
	return c.command(ctx, owner, name, args...), nil
}

func (c *Cluster) command(ctx context.Context, owner *syscall.Credential, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.Bin, name), args...)
	cmd.Dir = c.Dir                                                          // one that the user may be in
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner, Setpgid: true} // an interrupt at the terminal is not for it
	dieWithParent(cmd.SysProcAttr)
	return cmd
}

// account returns as whom the server runs: nil is the user of this process.
func account() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	var why error
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			why = errors.Join(why, err)
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("the server does not run as root, and nobody else is there: %w", why)
}

// lastLines returns the end of what a program has said, in a line.
func lastLines(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], "; ")
}
