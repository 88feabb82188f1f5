//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"tidegate/gateway/orders/web"
	wallclock "tidegate/internal/clock"
)

// client returns what speaks HTTP.
func (c *orderClient) client() (*http.Client, error) {
	t, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: t}}, nil
}

// request makes a signed request. once, if there is one, makes it be done once.
func (c *orderClient) request(ctx context.Context, method, target, once string, what any) (*http.Response, error) {
	base, err := url.Parse(c.HTTP)
	if err != nil || base.Host == "" {
		return nil, usageError{fmt.Errorf("--http %q: want a URL like http://127.0.0.1:13180", c.HTTP)}
	}
	var body []byte
	if what != nil {
		if body, err = json.Marshal(what); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.HTTP, "/")+target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	at := wallclock.Now()
	r.Header.Set(web.HeaderKey, c.Key)
	r.Header.Set(web.HeaderTime, strconv.FormatInt(int64(at), 10))
	r.Header.Set(web.HeaderSignature, web.Sign([]byte(c.Secret), at, method, target, once, body))
	if once != "" {
		r.Header.Set(web.HeaderIdempotency, once)
	}
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	response, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	var p web.Problem
	if json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&p) != nil || p.Error.Code == "" {
		return nil, fmt.Errorf("the answer is %s: not from a gateway's orders", response.Status)
	}
	if p.Error.Field != "" {
		return nil, fmt.Errorf("%s: %s: %s", p.Error.Code, p.Error.Field, p.Error.Text)
	}
	return nil, fmt.Errorf("%s: %s", p.Error.Code, p.Error.Text)
}

// call makes a request and reads its answer.
func (c *orderClient) call(ctx context.Context, method, target, once string, what, to any) error {
	ctx, cancel := c.within(ctx)
	defer cancel()
	response, err := c.request(ctx, method, target, once, what)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(io.LimitReader(response.Body, 16<<20)).Decode(to); err != nil {
		return fmt.Errorf("the answer cannot be read: %w", err)
	}
	return nil
}

// showAnswer prints what became of a request about an order.
func showAnswer(con *console, a *web.OrderAnswer) {
	fmt.Fprintf(con.Err, "order %s\n", a.OrderID)
	for i := range a.Reports {
		fmt.Fprintln(con.Out, reportLine(&a.Reports[i]))
	}
	if a.More {
		fmt.Fprintln(con.Out, "  ... and more")
	}
	fmt.Fprintf(con.Out, "%s: %d of %d open\n", a.Status, a.Open, a.Size)
}

// reportLine is a report as it is shown.
func reportLine(r *web.Report) string {
	var b strings.Builder
	at, err := time.Parse(time.RFC3339Nano, r.Time)
	if err == nil {
		b.WriteString(at.Format("15:04:05.000000"))
	}
	fmt.Fprintf(&b, "  %6d  %s %s: %s %d %s", r.Number, r.Kind, r.OrderID, r.Side, r.Size, r.Symbol)
	if r.Price != "" {
		b.WriteString(" @ " + r.Price)
	}
	for _, detail := range []string{r.Liquidity, r.Reason} {
		if detail != "" {
			b.WriteString(", " + detail)
		}
	}
	fmt.Fprintf(&b, ", %d open", r.Open)
	return b.String()
}

func (c *orderEnterCmd) enterHTTP(ctx context.Context, con *console) error {
	r := web.OrderRequest{
		ClientOrderID: c.Name, Symbol: c.Symbol, Side: c.Side, Size: uint64(c.Size), Price: c.Price, TimeInForce: c.TIF,
		MinSize: uint64(c.Min), DisplaySize: uint64(c.Show), Peg: c.Peg,
	}
	if c.Price == "" && c.Peg == "" {
		r.Type = "market"
	}
	if c.Post {
		r.PostOnly = "reject"
	}
	if c.TIF == "gtt" {
		r.Expires = time.Now().Add(c.Expires).UTC().Format(time.RFC3339Nano)
	}
	var a web.OrderAnswer
	if err := c.call(ctx, http.MethodPost, "/v1/orders", "", r, &a); err != nil {
		return err
	}
	showAnswer(con, &a)
	return nil
}

func (c *orderReplaceCmd) replaceHTTP(ctx context.Context, con *console) error {
	var a web.OrderAnswer
	r := web.ReplaceRequest{Price: c.Price, Size: uint64(c.Size)}
	if err := c.call(ctx, http.MethodPut, "/v1/orders/"+url.PathEscape(c.Order), "", r, &a); err != nil {
		return err
	}
	showAnswer(con, &a)
	return nil
}

func (c *orderCancelCmd) cancelHTTP(ctx context.Context, con *console) error {
	if !c.All {
		var a web.OrderAnswer
		if err := c.call(ctx, http.MethodDelete, "/v1/orders/"+url.PathEscape(c.Order), "", nil, &a); err != nil {
			return err
		}
		showAnswer(con, &a)
		return nil
	}
	target := "/v1/orders"
	if c.Symbol != "" {
		target += "?symbol=" + url.QueryEscape(c.Symbol)
	}
	var a web.CancelAnswer
	if err := c.call(ctx, http.MethodDelete, target, "", nil, &a); err != nil {
		return err
	}
	_, err := fmt.Fprintf(con.Out, "%d orders were canceled\n", a.Canceled)
	return err
}

func (c *orderFollowCmd) followHTTP(ctx context.Context, con *console) error {
	target := "/v1/events?kind=all"
	if c.From > 0 {
		target += fmt.Sprintf("&from=%d", c.From)
	}
	response, err := c.request(ctx, http.MethodGet, target, "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for n := uint64(0); (c.Count == 0 || n < c.Count) && lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var r web.Report
		if err := json.Unmarshal([]byte(data), &r); err != nil {
			return fmt.Errorf("an event cannot be read: %w", err)
		}
		fmt.Fprintln(con.Out, reportLine(&r))
		n++
		if n == c.Count {
			return nil
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return errors.New("the gateway has ended the stream")
}

type orderOpenCmd struct {
	Account string `help:"One of the key's accounts; its first where none is named."`
	orderClient
}

// Run lists open orders.
func (c *orderOpenCmd) Run(ctx context.Context, con *console) error {
	if err := c.onlyHTTP(); err != nil {
		return err
	}
	w := tabwriter.NewWriter(con.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ORDER\tNAME\tSIDE\tOPEN\tSIZE\tSYMBOL\tPRICE\tENTERED")
	for after := "0"; after != ""; {
		var page web.OrderPage
		target := "/v1/orders?limit=1000&after=" + after
		if c.Account != "" {
			target += "&account=" + url.QueryEscape(c.Account)
		}
		if err := c.call(ctx, http.MethodGet, target, "", nil, &page); err != nil {
			return err
		}
		for _, o := range page.Orders {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", o.OrderID, o.ClientOrderID, o.Side, o.Open, o.Size, o.Symbol, o.Price, o.Entered)
		}
		after = page.After
	}
	return w.Flush()
}

// onlyHTTP says what is missing for a command that OUCH has not.
func (c *orderClient) onlyHTTP() error {
	http, err := c.byHTTP()
	if err == nil && !http {
		err = usageError{errors.New("OUCH has no such question: want --http, --key and --secret")}
	}
	return err
}

type orderBalancesCmd struct {
	Account string `help:"One of the key's accounts; its first where none is named."`
	orderClient
}

// Run shows balances.
func (c *orderBalancesCmd) Run(ctx context.Context, con *console) error {
	if err := c.onlyHTTP(); err != nil {
		return err
	}
	target := "/v1/balances"
	if c.Account != "" {
		target += "?account=" + url.QueryEscape(c.Account)
	}
	var b web.Balances
	if err := c.call(ctx, http.MethodGet, target, "", nil, &b); err != nil {
		return err
	}
	w := tabwriter.NewWriter(con.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "ASSET\tTOTAL\tRESERVED\tCREDIT\tAVAILABLE\t")
	for _, x := range b.Balances {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t\n", x.Asset, x.Total, x.Reserved, x.Credit, x.Available)
	}
	return w.Flush()
}
