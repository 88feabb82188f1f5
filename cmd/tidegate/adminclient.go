package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// adminClient asks the admin interface of a gateway.
type adminClient struct {
	URL   string `name:"url" default:"http://127.0.0.1:8080" help:"Admin interface of the gateway."`
	Token string `env:"TIDEGATE_ADMIN_TOKEN" help:"Token of the admin interface, if it has one."`
}

// check makes the URL one, or says what is wrong with it.
func (c *adminClient) check() error {
	if !strings.Contains(c.URL, "://") {
		c.URL = "http://" + c.URL
	}
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" {
		return usageError{fmt.Errorf("--url %q: want one like http://127.0.0.1:8080", c.URL)}
	}
	c.URL = strings.TrimSuffix(c.URL, "/")
	return nil
}

// get asks for a page.
func (c *adminClient) get(ctx context.Context, path string, to any) error {
	return c.ask(ctx, http.MethodGet, path, nil, to)
}

// post sends something.
func (c *adminClient) post(ctx context.Context, path string, what, to any) error {
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	return c.ask(ctx, http.MethodPost, path, body, to)
}

func (c *adminClient) ask(ctx context.Context, method, path string, body []byte, to any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token)
	}
	response, err := http.DefaultClient.Do(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return errors.New("nothing listens there: does the gateway run, and is this its admin.listen?")
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer := json.NewDecoder(io.LimitReader(response.Body, 64<<20))
	if response.StatusCode != http.StatusOK {
		var refused struct {
			Error string `json:"error"`
		}
		if answer.Decode(&refused) != nil || refused.Error == "" {
			return fmt.Errorf("the answer is %s: not from a gateway", response.Status)
		}
		return fmt.Errorf("%s: %s", response.Status, refused.Error)
	}
	if err := answer.Decode(to); err != nil {
		return fmt.Errorf("the answer cannot be read: %w", err)
	}
	return nil
}
