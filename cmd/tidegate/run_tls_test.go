//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tidegate/codec/lsg"
	"tidegate/internal/lsgclient"
	"tidegate/market"
)

// writeCertificate makes a certificate that signs itself, and returns who trusts it alone.
func writeCertificate(t *testing.T, dir string, serial int64) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for name, block := range map[string]*pem.Block{
		"gateway.crt": {Type: "CERTIFICATE", Bytes: certificate},
		"gateway.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		text := pem.EncodeToMemory(block)
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		pool.AppendCertsFromPEM(text) // of the two it takes the certificate
	}
	return &tls.Config{RootCAs: pool}
}

// Subscribers of the TLS port see the certificate, and after SIGHUP the one that took its place.
func TestRunTLS(t *testing.T) {
	binary, s := buildTidegate(t), newSite(t)
	old := writeCertificate(t, s.dir, 1)
	s.write(t, "  tls: {listen: '127.0.0.1:0', cert: gateway.crt, key: gateway.key}\n", "")
	g := startGateway(t, binary, s.config)
	addr := g.logged("subscribers with tls")["address"].(string)
	g.logged("gateway started")
	key, err := lsg.ParseKey(keyOne)
	if err != nil {
		t.Fatal(err)
	}
	connect := func(trust *tls.Config) error {
		c, err := lsgclient.Dial(t.Context(), lsgclient.Config{Addr: addr, Dataset: market.Simulated.Dataset, Key: key, TLS: trust})
		if err == nil {
			err = c.Close()
		}
		return err
	}
	if err := connect(old); err != nil {
		t.Errorf("first certificate: %v", err)
	}
	renewed := writeCertificate(t, s.dir, 2)
	if err := connect(renewed); err == nil {
		t.Error("the certificate changed before it was told to")
	}
	g.signal(syscall.SIGHUP)
	g.logged("reloaded keys and limits")
	if err := connect(renewed); err != nil {
		t.Errorf("renewed certificate: %v", err)
	}
	g.signal(syscall.SIGTERM)
	if code, rest := g.exit(); code != exitOK {
		t.Errorf("exit %d: %s", code, rest)
	}
}
