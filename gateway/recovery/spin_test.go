package recovery_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/codec/pitch"
	pitchrecovery "tidegate/codec/pitch/recovery"
	"tidegate/codec/sequnit"
	"tidegate/gateway/recovery"
)

// message is one that can be written.
type message interface{ Append([]byte) []byte }

// packet returns an unsequenced packet of messages.
func packet(messages ...message) []byte {
	var b sequnit.Builder
	b.Reset(0, 0, 1400)
	for _, m := range messages {
		b.Append(m.Append(nil))
	}
	return b.Bytes()
}

// An image of one order takes in messages up to 99.
var (
	accepted = packet(&pitchrecovery.LoginResponse{Status: pitchrecovery.LoginAccepted})
	offered  = packet(&pitchrecovery.SpinImageAvailable{Seq: 99})
	granted  = packet(&pitchrecovery.SpinResponse{Seq: 99, Orders: 1, Status: pitchrecovery.SpinAccepted})
	second   = packet(&pitch.Time{Seconds: 34_200})
	order    = packet(&pitch.AddOrder{OrderID: 7, Side: pitch.Buy, Quantity: 100, Symbol: pitch.Symbol{'A', ' ', ' ', ' ', ' ', ' ', ' ', ' '}, Price: 10_0000, Flags: 1})
	finished = packet(&pitchrecovery.SpinFinished{Seq: 99})
)

// TestSpinFetch: what a spin server says, whole and broken in every way.
func TestSpinFetch(t *testing.T) {
	for _, tt := range []struct {
		name   string
		held   uint64
		script [][]byte
		next   uint64
		want   error  // nil for any
		says   string // "" for no error
	}{
		{"whole", 100, [][]byte{accepted, offered, granted, second, order, finished}, 100, nil, ""},
		{"not far enough, then whole", 100, [][]byte{
			accepted, packet(&pitchrecovery.SpinImageAvailable{Seq: 98}), offered, granted, second, order, finished,
		}, 100, nil, ""},
		{"login refused", 100, [][]byte{packet(&pitchrecovery.LoginResponse{Status: pitchrecovery.NotAuthorized})}, 0, pitchrecovery.ErrRefused, "not authorized"},
		{"no sequenced units", 100, [][]byte{[]byte("\x01\x00HTTP/1.1 400 Bad Request\r\n")}, 0, recovery.ErrGarbage, "length"},
		{"a packet that contradicts itself", 100, [][]byte{accepted, {9, 0, 1, 0, 0, 0, 0, 0, 200}}, 0, recovery.ErrGarbage, ""},
		{"ends early", 100, [][]byte{accepted, offered, granted, second}, 0, recovery.ErrBroken, "closed by the other end"},
		{"an order too few", 100, [][]byte{accepted, offered, granted, second, finished}, 0, recovery.ErrGarbage, "1 orders are missing"},
		{"an order too many", 100, [][]byte{accepted, offered, granted, order, order, finished}, 0, recovery.ErrGarbage, "more orders than announced"},
		{"another image", 100, [][]byte{accepted, offered, packet(&pitchrecovery.SpinResponse{Seq: 50, Status: pitchrecovery.SpinAccepted})}, 0, recovery.ErrGarbage, "sequence 50 was granted"},
		{"never any", 100, [][]byte{accepted, packet(), packet(), nil}, 0, context.DeadlineExceeded, "deadline"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				var running sync.WaitGroup
				defer running.Wait()
				running.Go(func() { // what the client says is heard and ignored
					b := make([]byte, 1000)
					for {
						if _, err := theirs.Read(b); err != nil {
							return
						}
					}
				})
				running.Go(func() {
					for _, b := range tt.script {
						if b == nil {
							return // the connection stays
						}
						if _, err := theirs.Write(b); err != nil {
							break
						}
						time.Sleep(200 * time.Millisecond) // the client asks meanwhile
					}
					theirs.Close()
				})
				s := recovery.NewSpin("10.0.0.1:17000", "0001", "TIDE", "SESAME")
				s.Dial = func(context.Context, string, string) (net.Conn, error) { return ours, nil }
				if err := s.Validate(); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
				defer cancel()
				var types []byte
				got, err := s.Fetch(ctx, tt.held, func(m []byte) error { types = append(types, m[0]); return nil })
				theirs.Close()
				if got.Next != tt.next || (err == nil) != (tt.next != 0) {
					t.Fatalf("next %d, %v", got.Next, err)
				}
				if tt.next != 0 && string(types) != string([]byte{pitch.TypeTime, order[sequnit.HeaderLen+1]}) {
					t.Errorf("messages %x", types)
				}
				if err != nil && (!errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "10.0.0.1:17000")) {
					t.Errorf("%v, want %v with %q", err, tt.want, tt.says)
				}
			})
		})
	}
}

// TestSpinFetchStops: whoever takes the messages can end it, and has his reason back.
func TestSpinFetchStops(t *testing.T) {
	ours, theirs := net.Pipe()
	var running sync.WaitGroup
	defer running.Wait()
	defer theirs.Close()
	running.Go(func() {
		b := make([]byte, 1000)
		for {
			if _, err := theirs.Read(b); err != nil {
				return
			}
		}
	})
	running.Go(func() {
		for _, b := range [][]byte{accepted, offered} {
			_, _ = theirs.Write(b)
		}
		time.Sleep(200 * time.Millisecond)
		for _, b := range [][]byte{granted, second, order} {
			_, _ = theirs.Write(b)
		}
	})
	s := recovery.NewSpin("10.0.0.1:17000", "0001", "TIDE", "SESAME")
	s.Dial = func(context.Context, string, string) (net.Conn, error) { return ours, nil }
	enough := errors.New("enough")
	if _, err := s.Fetch(context.Background(), 1, func([]byte) error { return enough }); !errors.Is(err, enough) || errors.Is(err, recovery.ErrBroken) {
		t.Error(err)
	}
}
