package ouch

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegate/codec/ouch50"
)

// TestWireshark has somebody else's dissector read a session of ours from the network. Wireshark knows SoupBinTCP,
// and OUCH as of 4.x, whose messages have other lengths: of 5.0 it reads only SystemEvent, which is the same in
// both, and leaves the others as they are.
func TestWireshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("SKIPPED: tshark is not installed (apt-get install tshark)")
	}
	w := newWorld(t, nil)
	_, port, _ := strings.Cut(w.server.Addr().String(), ":")
	file := filepath.Join(t.TempDir(), "session.pcapng")
	capture := exec.Command("dumpcap", "-q", "-i", "lo", "-f", "tcp port "+port, "-w", file)
	var said bytes.Buffer
	capture.Stderr = &said
	if err := capture.Start(); err != nil {
		t.Skipf("SKIPPED: dumpcap: %v", err)
	}
	defer capture.Process.Kill()
	ended := make(chan error, 1)
	go func() { ended <- capture.Wait() }()
	packets := func() int {
		out, _ := exec.Command(tshark, "-r", file, "-d", "tcp.port=="+port+",soupbintcp", "-T", "fields", "-e", "soupbintcp.packet_type").Output()
		return strings.Count(string(out), "S") // sequenced data
	}
	// It begins to capture some time after it has started: connections are made until one is seen.
	for deadline := time.Now().Add(patience); ; {
		alice := w.login("alice", 1)
		alice.Close()
		if out, err := exec.Command(tshark, "-r", file).Output(); err == nil && len(out) > 0 {
			break
		}
		select {
		case <-ended:
			t.Skipf("SKIPPED: dumpcap cannot capture here: %s", said.String())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing is captured: %s", said.String())
		}
	}
	alice, bob := w.login("alice", 1), w.login("bob", 1)
	alice.send(order(1, ouch50.Buy, 100, "AAA", "10.00").Append(nil))
	alice.next()
	alice.next()
	bob.send(order(1, ouch50.Sell, 40, "AAA", "10.00").Append(nil))
	bob.next()
	bob.next()
	alice.next()
	alice.send((&ouch50.CancelOrder{UserRefNum: 1}).Append(nil))
	alice.next()
	if err := alice.Logout(); err != nil {
		t.Fatal(err)
	}
	const sequenced = 6 // 4 for alice, 2 for bob
	eventually(t, "the capture", func() bool { return packets() >= sequenced })
	_ = capture.Process.Signal(os.Interrupt)
	<-ended
	out, err := exec.Command(tshark, "-r", file, "-d", "tcp.port=="+port+",soupbintcp", "-V").Output()
	if err != nil {
		t.Fatal(err)
	}
	text := string(out)
	for _, want := range []string{"SoupBinTCP", "Login Request", "Login Accepted", "Sequenced Data", "Unsequenced Data", "Logout Request", "OUCH, System Event"} {
		if !strings.Contains(text, want) {
			t.Errorf("the dissector does not say %q", want)
		}
	}
	for _, bad := range []string{"Malformed", "malformed", "Unknown packet type", "Dissector bug"} {
		if i := strings.Index(text, bad); i >= 0 {
			t.Errorf("the dissector says: %s", text[max(0, i-400):min(len(text), i+100)])
		}
	}
	t.Logf("%d numbered messages were seen", packets())
}
