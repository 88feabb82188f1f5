// Package pgtest gives tests real PostgreSQL servers.
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }
//
//	dsn := pgtest.Database(t)      // a database of its own, in a server that the package's tests share
//	s := pgtest.New(t, settings)   // a server of its own, to be stopped and started
//
// Tests are skipped, and say so, where PostgreSQL is not installed.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidegate/internal/pgcluster"
)

// Superuser is the name of the superuser of every server.
const Superuser = "tidegate"

// Unsafe are settings for tests that ask nothing about durability.
const Unsafe = "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n"

const usual = "max_connections = 40\nlog_min_messages = fatal\n"

var (
	root   string // of everything that is made; "" until something is
	shared struct {
		sync.Once
		*Server
		err error
	}
	databases atomic.Int64
)

// Run runs the tests of a package and removes what they made.
func Run(m *testing.M) int {
	code := m.Run()
	if shared.Server != nil && shared.server != nil {
		if err := shared.server.Stop(pgcluster.Immediate); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	if root != "" {
		if err := os.RemoveAll(root); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	return code
}

// A Server is a server of a test. It is stopped at the test's end.
type Server struct {
	pgcluster.Cluster
	server *pgcluster.Server
}

// New starts a server with settings for postgresql.conf.
func New(t testing.TB, settings string) *Server {
	t.Helper()
	s, err := newServer(settings)
	must(t, err)
	t.Cleanup(func() {
		if s.server != nil {
			s.Stop(t, pgcluster.Immediate)
		}
	})
	return s
}

// Start starts a server that was stopped.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	must(t, s.start())
}

// Stop stops a server.
func (s *Server) Stop(t testing.TB, w pgcluster.Way) {
	t.Helper()
	if err := s.server.Stop(w); err != nil {
		t.Fatal(err)
	}
	s.server = nil
}

// Database returns how an empty database is reached, in a server of which nothing durable is to be asked.
func Database(t testing.TB) (dsn string) {
	t.Helper()
	shared.Do(func() { shared.Server, shared.err = newServer(Unsafe) })
	must(t, shared.err)
	name := fmt.Sprintf("test%d", databases.Add(1))
	if err := shared.run("createdb", "-h", "127.0.0.1", "-p", fmt.Sprint(shared.Port), "-U", Superuser, name); err != nil {
		t.Fatal(err)
	}
	return shared.DSN(name)
}

// Standby starts a copy of a server that follows it. settings are added to those of the server.
func (s *Server) Standby(t testing.TB, settings string) *Server {
	t.Helper()
	dir, err := newDir()
	must(t, err)
	port, err := freePort()
	must(t, err)
	b := &Server{Cluster: s.Cluster}
	b.Dir, b.Port = dir, port
	must(t, s.run("pg_basebackup", "-h", "127.0.0.1", "-p", fmt.Sprint(s.Port), "-U", Superuser, "-D", b.Dir, "-R", "-X", "stream", "-c", "fast"))
	must(t, b.Configure(fmt.Sprintf("port = %d\n%s", port, settings)))
	must(t, b.start())
	t.Cleanup(func() {
		if b.server != nil {
			b.Stop(t, pgcluster.Immediate)
		}
	})
	return b
}

// Promote makes a standby a server that can be written to.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	must(t, s.run("pg_ctl", "-D", s.Dir, "-w", "promote"))
}

// must skips a test where there is no PostgreSQL.
func must(t testing.TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, pgcluster.ErrNotInstalled):
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

func newServer(settings string) (*Server, error) {
	bin, err := pgcluster.Find()
	if err != nil {
		return nil, err
	}
	template, err := template(bin)
	if err != nil {
		return nil, err
	}
	dir, err := newDir()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{Cluster: pgcluster.Cluster{Dir: dir, Bin: bin, Port: port, Superuser: Superuser}}
	if out, err := exec.Command("cp", "-a", template, s.Dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copy cluster: %w: %s", err, out)
	}
	if err := s.Configure(fmt.Sprintf("port = %d\n%s%s", port, usual, settings)); err != nil {
		return nil, err
	}
	return s, s.start()
}

// newDir returns the name of a data directory that is not there yet, in one that the user of the server may
// write to.
func newDir() (string, error) {
	parent, err := os.MkdirTemp(root, "c")
	if err != nil {
		return "", err
	}
	return filepath.Join(parent, "data"), os.Chmod(parent, 0o777)
}

// Configure adds to postgresql.conf. It holds from the next start on.
func (s *Server) Configure(settings string) error {
	f, err := os.OpenFile(filepath.Join(s.Dir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(settings)
	return errors.Join(err, f.Close())
}

func (s *Server) start() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err := s.Cluster.Start(ctx)
	s.server = server
	return err
}

func (s *Server) run(name string, args ...string) error {
	cmd, err := s.Command(context.Background(), name, args...)
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

var made struct {
	sync.Once
	dir string
	err error
}

// template returns a fresh cluster to be copied, which is faster than initdb.
func template(bin string) (string, error) {
	made.Do(func() {
		if root, made.err = pgcluster.MkdirTemp(os.TempDir(), "pgtest"); made.err != nil {
			return
		}
		made.dir = filepath.Join(root, "template")
		c := pgcluster.Cluster{Dir: made.dir, Bin: bin, Superuser: Superuser, NoSync: true}
		made.err = c.Init(context.Background())
	})
	return made.dir, made.err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
