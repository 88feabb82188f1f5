package lsgtest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// authenticate reads and writes lines up to the gateway's answer.
func (d *Double) authenticate() error {
	greeting, err := d.line()
	if err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	if err := d.checkGreeting(greeting); err != nil {
		return fmt.Errorf("greeting %q: %w", greeting, err)
	}
	line, err := d.line()
	if err != nil {
		return fmt.Errorf("challenge: %w", err)
	}
	challenge, err := d.challenge(line)
	if err != nil {
		return fmt.Errorf("challenge %q: %w", line, err)
	}
	if _, err := io.WriteString(d.conn, d.authLine(Answer(challenge, d.cfg.Key))); err != nil {
		return err
	}
	if line, err = d.line(); err != nil {
		return fmt.Errorf("response: %w", err)
	}
	if err := d.checkResponse(line); err != nil {
		return fmt.Errorf("response %q: %w", line, err)
	}
	if d.cfg.Mode == Python && len(d.pending) > 0 {
		return fmt.Errorf("%d bytes in one read with the response: they would be read as another line", len(d.pending))
	}
	return nil
}

// Answer returns what a client with a key sends for a challenge.
func Answer(challenge, key string) string {
	return fmt.Sprintf("%x-%s", sha256.Sum256([]byte(challenge+"|"+key)), key[len(key)-5:])
}

func (d *Double) checkGreeting(line string) error {
	switch d.cfg.Mode {
	case Python:
		_, err := pythonLine(line, "lsg_version")
		return err
	case DBNGo:
		if _, ok := pairsOf(line)["lsg_version"]; !ok {
			return errors.New("no lsg_version")
		}
	}
	return nil
}

func (d *Double) challenge(line string) (string, error) {
	switch d.cfg.Mode {
	case CPP:
		if _, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok && strings.HasPrefix(line, "cram") {
			return value, nil
		}
	case Rust:
		if value, ok := strings.CutPrefix(line[:len(line)-1], "cram="); ok {
			return value, nil
		}
	case Python:
		pairs, err := pythonLine(line, "cram")
		return pairs["cram"], err
	case DBNGo:
		if value, ok := pairsOf(line)["cram"]; ok {
			return value, nil
		}
	}
	return "", errors.New("no cram")
}

// A RefusedError is the gateway's reason why it refuses the client, as its user would see it.
type RefusedError string

func (e RefusedError) Error() string { return "refused: " + string(e) }

func (d *Double) checkResponse(line string) error {
	pairs := pairsOf(line)
	refused := pairs["success"] != "1"
	switch d.cfg.Mode {
	case CPP:
		if _, ok := pairs["success"]; !ok {
			return errors.New("no success")
		}
		for pair := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "|"), "|") {
			if !strings.Contains(pair, "=") {
				return fmt.Errorf("%q is no pair", pair)
			}
		}
		if id, ok := pairs["session_id"]; ok {
			if _, err := strconv.ParseUint(id, 10, 64); err != nil {
				return fmt.Errorf("session id: %w", err)
			}
		}
	case Python:
		p, err := pythonLine(line, "success", "error", "session_id")
		if err != nil {
			return err
		}
		if _, ok := p["success"]; !ok {
			return errors.New("no success")
		}
		refused = p["success"] == "0"
	case DBNGo:
		if _, ok := pairs["success"]; !ok {
			return errors.New("no success")
		}
		refused = pairs["success"] == "0"
	}
	if refused {
		return RefusedError(pairs["error"])
	}
	d.SessionID = pairs["session_id"]
	return nil
}

// pairsOf is the forgiving reading of a line: what is no pair is left out.
func pairsOf(line string) map[string]string {
	pairs := map[string]string{}
	for pair := range strings.SplitSeq(strings.TrimSuffix(line, "\n"), "|") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			pairs[key] = value
		}
	}
	return pairs
}

// pythonLine is the strict reading: every piece between pipes becomes a field of a fixed set, also an
// empty piece.
func pythonLine(line string, fields ...string) (map[string]string, error) {
	if strings.ContainsRune(line, '\r') {
		return nil, errors.New("carriage return: taken for the end of a line")
	}
	pairs := map[string]string{}
	for piece := range strings.SplitSeq(strings.TrimSpace(line), "|") {
		key, value, _ := strings.Cut(piece, "=")
		if !slices.Contains(fields, key) {
			return nil, fmt.Errorf("key %q: want one of %q", key, fields)
		}
		pairs[key] = value
	}
	return pairs, nil
}

// pair is one key and its value on a line that a client sends.
type pair struct{ key, value string }

func lineOf(pairs []pair) string {
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString(p.key + "=" + p.value)
	}
	b.WriteByte('\n')
	return b.String()
}

// authLine returns the authentication line, in the order and with the keys of the client.
func (d *Double) authLine(answer string) string {
	c := &d.cfg
	line := []pair{{"auth", answer}, {"dataset", c.Dataset}}
	add := func(key, value string) { line = append(line, pair{key, value}) }
	addSet := func(key, value string) {
		if value != "" && value != "0" {
			add(key, value)
		}
	}
	compression := "none"
	if c.Zstd {
		compression = "zstd"
	}
	heartbeat := strconv.Itoa(c.HeartbeatSeconds)
	switch c.Mode {
	case CPP:
		add("encoding", "dbn")
		add("ts_out", bit(c.TsOut))
		add("compression", compression)
		add("client", "C++ double")
		addSet("heartbeat_interval_s", heartbeat)
		addSet("slow_reader_behavior", c.SlowReader)
	case Python:
		if c.HeartbeatSeconds == 0 {
			heartbeat = "30"
		}
		add("encoding", "dbn")
		add("ts_out", bit(c.TsOut))
		add("compression", compression)
		add("heartbeat_interval_s", heartbeat)
		addSet("slow_reader_behavior", c.SlowReader)
		add("client", "Python double (a=b; c)")
	case Rust:
		add("encoding", "dbn")
		add("compression", compression)
		add("ts_out", bit(c.TsOut))
		add("client", "Rust double")
		addSet("heartbeat_interval_s", heartbeat)
		addSet("slow_reader_behavior", c.SlowReader)
	case DBNGo:
		add("client", "dbn-go double")
		addSet("ts_out", bit(c.TsOut))
		addSet("heartbeat_interval_s", heartbeat)
		if c.SlowReader != "warn" { // which it believes to be the default
			addSet("slow_reader_behavior", c.SlowReader)
		}
	}
	return lineOf(line)
}

func bit(v bool) string {
	if v {
		return "1"
	}
	return "0"
}
