package recovery_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"testing"

	"tidegate/codec/pitch/recovery"
	"tidegate/codec/sequnit"
	"tidegate/internal/realdata"
	"tidegate/market"
)

// A segment is what one TCP packet of a capture carries.
type segment struct {
	at       market.Nanos
	toServer bool
	payload  []byte
}

// segments reads a classic pcap of Ethernet, IPv4 and TCP in microseconds. Package pcap is for datagrams.
func segments(t *testing.T, name string, server uint16) (all []segment) {
	t.Helper()
	b, err := os.ReadFile(realdata.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	const fileHeader, recordHeader, ethernet = 24, 16, 14
	for b = b[fileHeader:]; len(b) > 0; {
		at := market.Nanos(binary.LittleEndian.Uint32(b))*market.Second +
			market.Nanos(binary.LittleEndian.Uint32(b[4:]))*market.Microsecond
		n := recordHeader + int(binary.LittleEndian.Uint32(b[8:]))
		ip := b[recordHeader+ethernet : n]
		b = b[n:]
		ip = ip[:binary.BigEndian.Uint16(ip[2:])]
		tcp := ip[4*(ip[0]&15):]
		if payload := tcp[4*(tcp[12]>>4):]; len(payload) > 0 {
			all = append(all, segment{at, binary.BigEndian.Uint16(tcp[2:]) == server, payload})
		}
	}
	return all
}

// each calls yield with each packet of a recorded session, after its messages.
func each(t *testing.T, name string, server uint16, yield func(s segment, messages [][]byte)) {
	t.Helper()
	var truth struct {
		Types      map[string]int
		Lens       map[string]int
		Heartbeats int
	}
	realdata.Facts(t, name, &truth)
	streams := map[bool][]byte{}
	for _, s := range segments(t, name, server) {
		stream := append(streams[s.toServer], s.payload...)
		for {
			packet, rest, err := sequnit.Split(stream)
			if err != nil {
				t.Fatal(err)
			}
			if packet == nil {
				break
			}
			stream = rest
			p, err := sequnit.Parse(packet)
			if err != nil || p.Sequenced() {
				t.Fatalf("%x: %+v, %v", packet, p, err)
			}
			if p.Heartbeat() {
				truth.Heartbeats--
			}
			var messages [][]byte
			for block := p.Messages; len(block) > 0; {
				var msg []byte
				msg, block = sequnit.Next(block)
				messages = append(messages, msg)
				truth.Types[fmt.Sprintf("%#02x", msg[0])]--
				truth.Lens[fmt.Sprintf("%#02x/%d", msg[0], len(msg)+1)]--
			}
			yield(s, messages)
		}
		streams[s.toServer] = stream
	}
	for what, left := range truth.Types {
		if left != 0 {
			t.Errorf("%s: %d messages of type %s are missing", name, left, what)
		}
	}
	for what, left := range truth.Lens {
		if left != 0 {
			t.Errorf("%s: %d messages of type and length %s are missing", name, left, what)
		}
	}
	if truth.Heartbeats != 0 {
		t.Errorf("%s: %d heartbeats are missing", name, truth.Heartbeats)
	}
}

// A recorded session with a gap request proxy: our client, in the place of the recorded one, gets the
// same answers, and sends a request of the same bytes.
func TestRecordedGapRequest(t *testing.T) {
	var client *recovery.GapClient
	var request recovery.GapRequest
	requests := 0
	each(t, "packets/bats-pitch/mcastpitch_grp_useq.pcap", 10503, func(s segment, messages [][]byte) {
		if client == nil {
			var err error
			if client, err = recovery.NewGapClient(recovery.DefaultConfig(), s.at); err != nil {
				t.Fatal(err)
			}
		}
		client.OnTick(s.at)
		client.Next(s.at)
		if !s.toServer {
			client.OnPacket(s.at)
			for _, msg := range messages {
				client.OnMessage(msg, s.at)
			}
			return
		}
		for _, msg := range messages {
			var login recovery.Login
			if login.Parse(msg) == nil {
				if !bytes.Equal(login.Append(nil), msg) {
					t.Errorf("login %x, again %x", msg, login.Append(nil))
				}
				continue
			}
			if err := request.Parse(msg); err != nil {
				t.Fatalf("%x: %v", msg, err)
			}
			requests++
			if err := client.Request(request, s.at); err != nil {
				t.Fatal(err)
			}
			if sent, ok := client.Next(s.at); !ok || !bytes.Equal(sent, msg) {
				t.Errorf("sent %x, want %x", sent, msg)
			}
		}
	})
	r, ok := client.Outcome()
	if !ok || r.GapRequest != request || r.Status != recovery.GapAccepted || requests != 1 || client.State() != recovery.Ready {
		t.Errorf("%+v, %t after %d requests: %v, %v", r, ok, requests, client.State(), client.Err())
	}
}

// A recorded session with a spin server, whose client asks twice for the image and is refused once.
func TestRecordedSpin(t *testing.T) {
	var client *recovery.SpinClient
	var parts []recovery.Part
	var asked [][]byte
	each(t, "packets/bats-pitch/mcastpitch_spin_useq.pcap", 18998, func(s segment, messages [][]byte) {
		if client == nil {
			var err error
			if client, err = recovery.NewSpinClient(recovery.DefaultConfig(), s.at); err != nil {
				t.Fatal(err)
			}
			client.Want(1)
		}
		client.OnTick(s.at)
		if msg, ok := client.Next(s.at); ok && len(msg) > 0 && msg[0] == recovery.TypeSpinRequest {
			asked = append(asked, slices.Clone(msg))
		}
		client.OnPacket(s.at)
		for _, msg := range messages {
			if !s.toServer {
				if part := client.OnMessage(msg, s.at); part != recovery.NoPart {
					parts = append(parts, part)
				}
			} else if msg[0] == recovery.TypeSpinRequest && !slices.ContainsFunc(asked, func(a []byte) bool { return bytes.Equal(a, msg) }) {
				t.Errorf("the recorded client sent %x, ours %x", msg, asked)
			}
		}
	})
	want := []recovery.Part{recovery.ImageBegins, recovery.ImageMessage, recovery.ImageEnds}
	if !slices.Equal(parts, want) || client.Image() == 0 || client.Image() != client.Available() || client.State() != recovery.Ready {
		t.Errorf("parts %v of image %d: %v, %v", parts, client.Image(), client.State(), client.Err())
	}
}
