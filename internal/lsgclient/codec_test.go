package lsgclient

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/internal/lsgclient/lsgtest"
)

// A gateway that is written with package lsg understands every double, and every double it: the two
// were written apart from each other.
func TestCodecServesDoubles(t *testing.T) {
	keys := []lsg.Key{testKey(t, "db-AnotherKeyForTests0000000abcd"), testKey(t, lsgtest.Key)}
	for _, mode := range lsgtest.Modes {
		for _, slow := range []string{"", "skip", "warn"} {
			cfg := lsgtest.Config{
				Mode: mode, Dataset: dataset, Key: lsgtest.Key, TsOut: slow == "skip", Zstd: slow == "warn" && mode != lsgtest.DBNGo,
				HeartbeatSeconds: 10, SlowReader: slow, ReadMax: 777,
			}
			addr := lsgtest.Listen(t, nil, func(s *lsgtest.Session) {
				if err := serve(s, keys, cfg); err != nil {
					t.Errorf("%s: %v", mode, err)
				}
			})
			conn := dialPlain(t, addr)
			d, err := lsgtest.Open(conn, cfg)
			if err != nil {
				t.Fatal(err)
			}
			err = errors.Join(
				d.Subscribe(lsgtest.Subscription{Schema: "mbo", STypeIn: "raw_symbol", Symbols: slices.Repeat([]string{"A"}, 1001), Start: "2024-03-01T00:00:00Z"}),
				d.Subscribe(lsgtest.Subscription{Schema: "mbo", STypeIn: "raw_symbol", Symbols: []string{lsg.AllSymbols}, Snapshot: true}),
			)
			if err != nil {
				t.Fatal(err)
			}
			if !cfg.Zstd {
				if _, err := d.Start(); err != nil {
					t.Errorf("%s: %v", mode, err)
				}
			}
			d.Close()
		}
		addr := lsgtest.Listen(t, nil, func(s *lsgtest.Session) {
			if err := serve(s, keys[:1], lsgtest.Config{}); err == nil {
				t.Errorf("%s: accepted without its key", mode)
			}
		})
		var refused lsgtest.RefusedError
		_, err := lsgtest.Open(dialPlain(t, addr), lsgtest.Config{Mode: mode, Dataset: dataset, Key: lsgtest.Key})
		if !errors.As(err, &refused) || refused != "unknown key ...0abcd" {
			t.Errorf("%s: %v, want a refusal", mode, err)
		}
	}
}

func dialPlain(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// serve reads one session up to its metadata and says what of it is not as cfg wants.
func serve(s *lsgtest.Session, keys []lsg.Key, cfg lsgtest.Config) error {
	challenge := lsg.NewChallenge([16]byte{1, 2, 3})
	greeting := lsg.Greeting{Version: "1"}
	s.Send(challenge.Append(greeting.Append(nil)), 0)
	request, err := lsg.ParseAuthRequest([]byte(s.Line()))
	if err != nil {
		return err
	}
	which, ok := challenge.Verify(request.Auth, keys)
	if !ok {
		response := lsg.AuthResponse{Error: "unknown key ..." + string(request.Auth.Bucket[:])}
		s.Send(response.Append(nil), 0)
		return errors.New("refused")
	}
	want := lsg.AuthRequest{
		Auth: challenge.Answer(keys[which]), Dataset: dataset, TsOut: cfg.TsOut, HeartbeatSeconds: 10, Client: request.Client,
	}
	if cfg.Zstd {
		want.Compression = lsg.CompressionZstd
	}
	if cfg.SlowReader == "warn" && cfg.Mode != lsgtest.DBNGo {
		want.SlowReader = lsg.SlowReaderWarn
	}
	if which != 1 || request != want {
		return fmt.Errorf("key %d, request %+v, want %+v", which, request, want)
	}
	s.Send((&lsg.AuthResponse{Accepted: true, SessionID: 1<<64 - 1}).Append(nil), 0)

	var group lsg.Group
	var got []string
	for {
		line := []byte(s.Line())
		if lsg.IsStart(line) || len(line) == 0 {
			break
		}
		part, err := lsg.ParseSubscription(line)
		if err != nil {
			return err
		}
		whole, complete, err := group.Add(part)
		if err != nil {
			return err
		}
		if complete {
			got = append(got, fmt.Sprintf("%d %d %t %t", len(whole.Symbols), whole.Start, whole.Snapshot, whole.All()))
		}
	}
	if text := strings.Join(got, ", "); text != "1001 1709251200000000000 false false, 1 0 true true" || group.Open() {
		return fmt.Errorf("requests %s", text)
	}
	metadata, err := dbn.AppendMetadata(nil, &dbn.Metadata{Dataset: dataset, Schema: dbn.SchemaMixed, TsOut: cfg.TsOut})
	if err != nil {
		return err
	}
	s.Send(metadata, 1)
	return nil
}
