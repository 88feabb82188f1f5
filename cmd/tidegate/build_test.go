package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// builtDir is where the binary is that tests share; "" if none wanted it. TestMain removes it.
var builtDir string

var built = sync.OnceValues(func() (binary string, err error) {
	if builtDir, err = os.MkdirTemp("", "tidegate-test-"); err != nil {
		return "", err
	}
	binary = filepath.Join(builtDir, "tidegate")
	if b, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, b)
	}
	return binary, nil
})

// buildTidegate returns the real binary.
func buildTidegate(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the binary")
	}
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}
