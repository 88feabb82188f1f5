//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"tidegate/gateway/orders/ouch"
	"tidegate/market"
)

type orderCmd struct {
	Enter    orderEnterCmd    `cmd:"" help:"Enter an order."`
	Replace  orderReplaceCmd  `cmd:"" help:"Give an order another price or size."`
	Cancel   orderCancelCmd   `cmd:"" help:"Cancel an order, or all of them."`
	Follow   orderFollowCmd   `cmd:"" help:"Show what happens to your orders."`
	Open     orderOpenCmd     `cmd:"" help:"List open orders (HTTP)."`
	Balances orderBalancesCmd `cmd:"" help:"Show balances (HTTP)."`
	Password orderPasswordCmd `cmd:"" help:"Make a password for OUCH, and what the configuration keeps of it."`
}

// Help is shown below the commands.
func (orderCmd) Help() string {
	return `A small client for people: by OUCH, or by HTTP with --http. Orders are called by their numbers: by OUCH those that you give them (enter shows them), by HTTP those of the venue.

  tidegate order enter buy 100 AAPL 187.50 --user alice
  tidegate order cancel 1 --user alice
  tidegate order follow --user alice --from 1
  tidegate order enter sell 10 AAPL 188 --http http://127.0.0.1:13180 --key alice-1

The password and the secret of a key are best in the environment: TIDEGATE_ORDER_PASSWORD, TIDEGATE_ORDER_SECRET. By OUCH a login takes the session over from whoever has it, and a session with cancel_on_disconnect loses its orders when the command ends.

Exit codes: 0 it was done; 1 it was not, or refused.`
}

// orderClient is how to reach a market.
type orderClient struct {
	OUCH     string        `name:"ouch" default:"127.0.0.1:13100" placeholder:"ADDRESS" help:"Port of OUCH."`
	User     string        `env:"TIDEGATE_ORDER_USER" help:"User of OUCH."`
	Password string        `env:"TIDEGATE_ORDER_PASSWORD" help:"Password of the user."`
	HTTP     string        `name:"http" env:"TIDEGATE_ORDER_HTTP" placeholder:"URL" help:"By HTTP, with an API key."`
	Key      string        `env:"TIDEGATE_ORDER_KEY" help:"Id of the API key."`
	Secret   string        `env:"TIDEGATE_ORDER_SECRET" help:"Secret of the API key."`
	TLS      bool          `name:"tls" help:"OUCH with TLS."`
	CA       string        `name:"ca" placeholder:"FILE" type:"existingfile" help:"Certificates to trust, in PEM, instead of the system's."`
	Wait     time.Duration `default:"5s" help:"How long to wait for an answer."`
}

// byHTTP reports whether HTTP is to be used, or what is missing.
func (c *orderClient) byHTTP() (bool, error) {
	switch {
	case c.HTTP != "" && (c.Key == "" || c.Secret == ""):
		return true, usageError{errors.New("--http wants --key, and --secret or TIDEGATE_ORDER_SECRET")}
	case c.HTTP != "":
		return true, nil
	case c.User == "" || c.Password == "":
		return false, usageError{errors.New("want --user, and --password or TIDEGATE_ORDER_PASSWORD; or --http")}
	}
	return false, nil
}

// tlsConfig returns what certificates are checked with.
func (c *orderClient) tlsConfig() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, err
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, usageError{fmt.Errorf("--ca %s: no certificate in it", c.CA)}
	}
	return t, nil
}

type orderEnterCmd struct {
	Side    string        `arg:"" enum:"buy,sell" help:"buy or sell."`
	Size    uint32        `arg:"" help:"How much."`
	Symbol  string        `arg:"" help:"The instrument."`
	Price   string        `arg:"" optional:"" help:"The limit; without one it is a market order."`
	TIF     string        `name:"time-in-force" default:"day" enum:"day,ioc,gtt" help:"How long it lives: ${enum}."`
	Expires time.Duration `placeholder:"TIME" help:"Of gtt: after that time."`
	Show    uint32        `placeholder:"SIZE" help:"How much shows at a time."`
	Min     uint32        `placeholder:"SIZE" help:"So much at once, or nothing."`
	Post    bool          `help:"Reject it if it would take."`
	Peg     string        `default:"" enum:",primary,mid,market" placeholder:"PRICE" help:"Follow the consolidated quote: primary, mid or market."`
	Name    string        `placeholder:"TEXT" help:"Your own name of the order."`
	orderClient
}

// check says what does not go together.
func (c *orderEnterCmd) check() error {
	if (c.TIF == "gtt") != (c.Expires > 0) {
		return usageError{errors.New("--time-in-force gtt and --expires go together")}
	}
	if c.Price == "" {
		return nil
	}
	if p, err := market.ParsePrice(c.Price); err != nil || p <= 0 {
		return usageError{fmt.Errorf("price %q: want a decimal number above 0", c.Price)}
	}
	return nil
}

// Run enters an order.
func (c *orderEnterCmd) Run(ctx context.Context, con *console) error {
	if err := c.check(); err != nil {
		return err
	}
	http, err := c.byHTTP()
	switch {
	case err != nil:
		return err
	case http:
		return c.enterHTTP(ctx, con)
	default:
		return c.enterOUCH(ctx, con)
	}
}

type orderReplaceCmd struct {
	Order string `arg:"" help:"Number of the order."`
	Size  uint32 `arg:"" help:"Of the whole order, with what was executed."`
	Price string `arg:"" optional:"" help:"The limit; without one it stays (HTTP)."`
	orderClient
}

// Run replaces an order.
func (c *orderReplaceCmd) Run(ctx context.Context, con *console) error {
	http, err := c.byHTTP()
	switch {
	case err != nil:
		return err
	case http:
		return c.replaceHTTP(ctx, con)
	case c.Price == "":
		return usageError{errors.New("by OUCH the price has to be said")}
	default:
		return c.replaceOUCH(ctx, con)
	}
}

type orderCancelCmd struct {
	Order  string `arg:"" optional:"" help:"Number of the order."`
	All    bool   `help:"All orders of the session's first account."`
	Symbol string `help:"With --all: only of this instrument."`
	orderClient
}

// Run cancels.
func (c *orderCancelCmd) Run(ctx context.Context, con *console) error {
	if (c.Order == "") != c.All {
		return usageError{errors.New("want the number of an order, or --all")}
	}
	http, err := c.byHTTP()
	switch {
	case err != nil:
		return err
	case http:
		return c.cancelHTTP(ctx, con)
	default:
		return c.cancelOUCH(ctx, con)
	}
}

type orderFollowCmd struct {
	From  uint64 `placeholder:"N" help:"Number of the first message; without it what comes from now on."`
	Count uint64 `placeholder:"N" help:"End after so many."`
	orderClient
}

// Run follows, until it is interrupted.
func (c *orderFollowCmd) Run(ctx context.Context, con *console) error {
	http, err := c.byHTTP()
	switch {
	case err != nil:
		return err
	case http:
		return c.followHTTP(ctx, con)
	default:
		return c.followOUCH(ctx, con)
	}
}

type orderPasswordCmd struct {
	Password string `arg:"" optional:"" env:"TIDEGATE_ORDER_PASSWORD" help:"A password to be kept; without one it is chosen by chance."`
}

// passwordLetters are what passwords are made of: nothing that looks like something else.
const passwordLetters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

// Run prints a password and its hash.
func (c *orderPasswordCmd) Run(con *console) error {
	password := c.Password
	if password == "" {
		var b [10]byte
		if _, err := rand.Read(b[:]); err != nil {
			return err
		}
		for _, x := range b {
			password += string(passwordLetters[int(x)%len(passwordLetters)])
		}
	}
	hash, err := ouch.HashPassword(password)
	if err != nil {
		return usageError{err}
	}
	_, err = fmt.Fprintf(con.Out, "password       %s\npassword_hash  %s\n", password, hash)
	return err
}

// orderRef reads the number of an order as OUCH has it.
func orderRef(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		return 0, usageError{fmt.Errorf("order %q: want the number that it was entered with", text)}
	}
	return uint32(n), nil
}
