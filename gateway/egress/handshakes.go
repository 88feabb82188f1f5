package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"tidegate/internal/tlsport"
)

// A handshakeFault is why a TLS handshake failed.
type handshakeFault uint8

const (
	handshakeFailed   handshakeFault = iota // for another reason: no version in common, a message that is none
	handshakeNotTLS                         // what came is not TLS
	handshakeClosed                         // the client closed, as one does that waits for a greeting in clear
	handshakeTimeout                        // it took too long
	handshakeRejected                       // the client did not like what it saw: the certificate, mostly
	handshakeTooMany                        // too many others were under way
	handshakeFaults
)

var handshakeNames = [handshakeFaults]string{"failed", "not_tls", "closed", "timeout", "rejected", "too_many"}

// handshakeFaultOf tells what kind of failure an error of a handshake is.
func handshakeFaultOf(err error) handshakeFault {
	var remote *net.OpError
	switch {
	case errors.Is(err, tlsport.ErrTooMany):
		return handshakeTooMany
	case errors.As(err, new(tls.RecordHeaderError)):
		return handshakeNotTLS
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return handshakeTimeout
	case errors.As(err, &remote) && remote.Op == "remote error": // what package tls calls an alert of the other side
		return handshakeRejected
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, net.ErrClosed):
		return handshakeClosed
	default:
		return handshakeFailed
	}
}
