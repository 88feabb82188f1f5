//go:build linux

package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// stopMax is how long a gateway may take to stop.
const stopMax = 20 * time.Second

// A gatewayProcess is a gateway that was started here.
type gatewayProcess struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
	err  error         // how, once done is closed
}

// startGateway starts a gateway whose log goes to a file in dir.
func startGateway(command []string, dir string) (*gatewayProcess, error) {
	g := &gatewayProcess{cmd: exec.Command(command[0], command[1:]...), log: filepath.Join(dir, "gateway.log"), done: make(chan struct{})}
	f, err := os.Create(g.log)
	if err != nil {
		return nil, fmt.Errorf("start the gateway: %w", err)
	}
	defer f.Close()
	g.cmd.Stdout, g.cmd.Stderr = f, f
	// An interrupt at the terminal is for the drills, which then stop it in order; and it ends with them, however
	// they end.
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the gateway: %w", err)
	}
	go func() {
		g.err = g.cmd.Wait()
		close(g.done)
	}()
	return g, nil
}

// ended returns an error if the gateway runs no more.
func (g *gatewayProcess) ended() error {
	select {
	case <-g.done:
		return fmt.Errorf("the gateway has ended: %v: see %s", g.err, g.log)
	default:
		return nil
	}
}

// stop ends the gateway, and returns an error unless it ends as it should.
func (g *gatewayProcess) stop() error {
	_ = g.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself: then the error below says so
	select {
	case <-g.done:
	case <-time.After(stopMax):
		_ = g.cmd.Process.Kill()
		<-g.done
		return fmt.Errorf("the gateway did not stop in %s and was killed: see %s", stopMax, g.log)
	}
	if g.err != nil {
		return fmt.Errorf("the gateway ended with %w: see %s", g.err, g.log)
	}
	return nil
}
