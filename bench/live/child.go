//go:build linux

package live

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
)

// A request asks a child to do something. The child answers each with one response, in order.
type request struct {
	Do   string
	Args json.RawMessage
}

type response struct {
	Error string          `json:",omitempty"`
	Reply json.RawMessage `json:",omitempty"`
}

// A role is what a child is. do is called by one goroutine.
type role interface {
	do(what string, args json.RawMessage) (reply any, err error)
	close() error
}

// roles by name.
var roles = map[string]func(clock, json.RawMessage) (role, error){
	"sender":     newSender,
	"gateway":    newGatewayRole,
	"relay":      newRelay,
	"nats":       newNATS,
	"subscriber": newSubscriber,
}

// birth is the first request to a child.
type birth struct {
	Role       string
	GOMAXPROCS int // 0: as the runtime likes
	Args       json.RawMessage
}

// Child is what a process does that was started by Options.Command: it obeys the requests on in and
// answers on out, until in ends.
func Child(in io.Reader, out io.Writer) error {
	r := json.NewDecoder(in)
	w := json.NewEncoder(out)
	var b birth
	if err := r.Decode(&b); err != nil {
		return fmt.Errorf("bench child: read the role: %w", err)
	}
	if b.GOMAXPROCS > 0 {
		runtime.GOMAXPROCS(b.GOMAXPROCS)
	}
	me, err := newRole(&b)
	if err := answer(w, nil, err); err != nil {
		return err
	}
	if err != nil {
		return nil // it was told
	}
	if err := errors.Join(obey(me, r, w), me.close()); err != nil {
		return fmt.Errorf("bench child: %s: %w", b.Role, err)
	}
	return nil
}

// obey answers requests until there are no more.
func obey(me role, r *json.Decoder, w *json.Encoder) error {
	for {
		var q request
		if err := r.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a request: %w", err)
		}
		reply, err := me.do(q.Do, q.Args)
		if err := answer(w, reply, err); err != nil {
			return err
		}
	}
}

func newRole(b *birth) (role, error) {
	c, err := newClock()
	if err != nil {
		return nil, err
	}
	make, ok := roles[b.Role]
	if !ok {
		return nil, fmt.Errorf("no role %q", b.Role)
	}
	return make(c, b.Args)
}

func answer(w *json.Encoder, reply any, err error) error {
	var a response
	if err != nil {
		a.Error = err.Error()
	} else if a.Reply, err = json.Marshal(reply); err != nil {
		return fmt.Errorf("encode an answer: %w", err)
	}
	if err := w.Encode(&a); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

func unknown(what string) error { return fmt.Errorf("unknown request %q", what) }

// take reads the arguments of a request.
func take[T any](raw json.RawMessage) (args T, err error) {
	if err := json.Unmarshal(raw, &args); err != nil {
		return args, fmt.Errorf("arguments: %w", err)
	}
	return args, nil
}

// A child is a process in a role, as the measuring process sees it.
type child struct {
	role string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *json.Decoder
}

// start starts a child. It is killed when ctx ends.
func start(ctx context.Context, command []string, roleName string, procs int, args any) (*child, error) {
	c := &child{role: roleName, cmd: exec.CommandContext(ctx, command[0], command[1:]...)}
	c.cmd.Stderr = os.Stderr
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, c.failed("start", err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, c.failed("start", err)
	}
	c.out = json.NewDecoder(bufio.NewReader(out))
	if err := c.cmd.Start(); err != nil {
		return nil, c.failed("start", err)
	}
	raw, err := json.Marshal(args)
	if err == nil {
		err = c.exchange(birth{Role: roleName, GOMAXPROCS: procs, Args: raw}, nil)
	}
	if err != nil {
		return nil, errors.Join(c.failed("start", err), c.stop())
	}
	return c, nil
}

func (c *child) failed(doing string, err error) error {
	return fmt.Errorf("%s: %s: %w", c.role, doing, err)
}

// exchange sends a message and waits for the answer.
func (c *child) exchange(message, reply any) error {
	b, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if _, err := c.in.Write(append(b, '\n')); err != nil {
		return err
	}
	var a response
	switch err := c.out.Decode(&a); {
	case errors.Is(err, io.EOF):
		return errors.New("the process has ended")
	case err != nil:
		return err
	case a.Error != "":
		return errors.New(a.Error)
	case reply == nil:
		return nil
	}
	return json.Unmarshal(a.Reply, reply)
}

// call asks a child to do something and returns its reply.
func call[T any](c *child, what string, args any) (reply T, err error) {
	raw, err := json.Marshal(args)
	if err == nil {
		err = c.exchange(request{what, raw}, &reply)
	}
	if err != nil {
		return reply, c.failed(what, err)
	}
	return reply, nil
}

// stop ends the child and waits for it.
func (c *child) stop() error {
	_ = c.in.Close() // it ends when its input does
	if err := c.cmd.Wait(); err != nil {
		return c.failed("end", err)
	}
	return nil
}
