package egress

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/panjf2000/gnet/v2"

	"tidegate/internal/clock"
	"tidegate/internal/tlsport"
)

// handshakeMax is how long a handshake may take: clients send its first bytes as soon as they are
// connected.
const handshakeMax = 10 * time.Second

// listenTLS opens the TLS port, which hands each connection to the engine as a local socket that speaks in
// clear.
func (s *Server) listenTLS() (*tlsport.Port, error) {
	failures := &sparingLog{log: s.cfg.Log, text: "tls handshake failed"}
	return tlsport.Listen(tlsport.Config{
		Addr: s.cfg.TLSAddr, TLS: s.cfg.TLS,
		HandshakeMax: min(handshakeMax, s.cfg.AuthTimeout), HandshakesMax: s.cfg.Limits.HandshakesMax,
		Admit: s.admitTLS, Serve: s.engine.register,
		Failed: func(g *tlsport.Guest, err error) {
			fault := handshakeFaultOf(err)
			failures.info(clock.Now(), "address", g.Client, "reason", handshakeNames[fault], "error", err)
			s.admission.disconnect(turnedAway(g) != nil)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.handshakes[fault]++
		},
		NoAccept: func(err error) { s.cfg.Log.Error("tls: accept", "error", err) },
	})
}

// admitTLS lets a connection in, or notes why it is let in only to be told why it is turned away.
func (s *Server) admitTLS(client netip.AddrPort) (note any, err error) {
	now := clock.Now()
	tell, err := s.admission.connect(client.Addr(), now)
	if err != nil && !tell {
		s.admission.log.info(now, "address", client, "tls", true, "reason", err.Error(), "told", false)
		return nil, err
	}
	return err, nil
}

// turnedAway returns why a connection is turned away, nil if it is not.
func turnedAway(g *tlsport.Guest) error {
	err, _ := g.Note.(error)
	return err
}

// register gives the engine the local end of a TLS connection.
func (e *engine) register(local net.Conn, g *tlsport.Guest) error {
	result, err := e.gnet.Register(gnet.NewContext(gnet.NewNetConnContext(context.Background(), local), g))
	if err != nil {
		return err
	}
	return (<-result).Err
}
