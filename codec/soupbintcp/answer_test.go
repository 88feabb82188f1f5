package soupbintcp

import "testing"

// A login that takes time to judge is answered later; what the client sends meanwhile waits.
func TestServerAnswersLater(t *testing.T) {
	later := func() *Server {
		s := NewServer(DefaultServerConfig(), func(*Login) (Offer, error) { return Offer{}, ErrLater })
		s.Connect(at(0))
		wantHeard(t, hear(s, append(request(Session{}, 3), unhex("0002 55 78")...), at(5)), "")
		if !s.Judging() || s.Online() || say(s) != "" || s.Err() != nil {
			t.Fatalf("judging %t, online %t, %v", s.Judging(), s.Online(), s.Err())
		}
		return s
	}

	s := later()
	s.Answer(Offer{Session: session, First: 1, Next: 9}, nil, at(40))
	if got, want := say(s), string(AppendLoginAccepted(nil, session, 3)); got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	wantHeard(t, hear(s, nil, at(41)), "logged in 3/3; unsequenced x")
	if !s.Online() || s.Judging() || s.NextSeq() != 3 {
		t.Errorf("online %t, judging %t, next %d", s.Online(), s.Judging(), s.NextSeq())
	}
	s.Answer(Offer{}, ErrNotAuthorized, at(42)) // nothing waits
	if !s.Online() || say(s) != "" {
		t.Error("a second answer changed something")
	}

	for _, tt := range []struct {
		offer Offer
		err   error
		want  Reject
	}{
		{Offer{}, ErrNotAuthorized, NotAuthorized},
		{Offer{}, ErrNoSession, NoSession},
		{Offer{Session: session, First: 1, Next: 2}, nil, NoSession}, // asked for message 3
	} {
		s = later()
		s.Answer(tt.offer, tt.err, at(40))
		if got := say(s); got != string(AppendLoginRejected(nil, tt.want)) || s.Err() == nil || s.Online() {
			t.Errorf("%v: said %q, %v", tt.err, got, s.Err())
		}
		wantHeard(t, hear(s, nil, at(41)), "")
	}

	s = later()
	if s.Due() != at(30_000) {
		t.Errorf("due at %d", s.Due()-at(0))
	}
	s.OnTick(at(30_000))
	wantErr(t, s.Err(), ErrSilent)
	s.Answer(Offer{Session: session, First: 1, Next: 9}, nil, at(30_001)) // too late
	wantErr(t, s.Err(), ErrSilent)
}

func TestServerSendsWithoutNumbers(t *testing.T) {
	s := offering(1, 5)
	s.Connect(at(0))
	s.SendUnsequenced([]byte("early"), at(0)) // nobody to tell
	s.SendDebug("early", at(0))
	hear(s, request(Session{}, 5), at(0))
	say(s)
	s.SendUnsequenced([]byte("x"), at(400))
	s.SendDebug("hi", at(500))
	if got := say(s); got != string(unhex("0002 55 78 0003 2b 6869")) || s.NextSeq() != 5 {
		t.Errorf("said %x; next %d", got, s.NextSeq())
	}
	if s.Due() != at(1500) {
		t.Errorf("heartbeat due at %d", s.Due()-at(0))
	}
}
