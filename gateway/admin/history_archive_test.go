//go:build linux

package admin

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tidegate/gateway/history"
)

// An archiveOf answers with the rows of a history, or with an error.
type archiveOf struct {
	*history.History
	err   error
	limit int
}

func (a *archiveOf) Read(ctx context.Context, q history.Query, limit int) (Rows, error) {
	if a.limit = limit; a.err != nil {
		return nil, a.err
	}
	return a.History.Read(ctx, q)
}

// What an archive says is answered as what it is; its errors have the status of their kind, and a time to try again
// where that may help.
func TestHistoryFromAnArchive(t *testing.T) {
	p := newPast(t, 100, false)
	archive := &archiveOf{History: p.history}
	url := serveWorld(t, newWorld(t), Config{History: p.history, Archive: archive})
	ask := func(query string) (*http.Response, string) {
		t.Helper()
		answer, err := http.Get(url + "/history?schema=trades&start=0" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var b strings.Builder
		if err := answer.Write(&b); err != nil {
			t.Fatal(err)
		}
		return answer, b.String()
	}
	for query, source := range map[string]string{"": "journal", "&source=journal": "journal", "&source=database": "database"} {
		answer, body := ask(query)
		if got := answer.Header.Get("Tidegate-Source"); answer.StatusCode != 200 || got != source || !strings.Contains(body, `"count":100,"complete":true`) {
			t.Errorf("%s: %d from %q", query, answer.StatusCode, got)
		}
	}
	if archive.limit != historyDefault+1 {
		t.Errorf("asked for %d records", archive.limit)
	}
	for _, c := range []struct {
		err    error
		status int
		again  bool
	}{
		{ErrArchiveBehind, 503, true},
		{ErrArchiveSlow, 503, true},
		{ErrArchiveDown, 502, true},
		{history.ErrAgedOut, 410, false},
		{history.ErrSchema, 404, false},
		{ErrUnknown, 404, false},
	} {
		archive.err = fmt.Errorf("a reason: %w", c.err)
		answer, body := ask("&source=database")
		if again := answer.Header.Get("Retry-After") != ""; answer.StatusCode != c.status || again != c.again || !strings.Contains(body, "a reason") {
			t.Errorf("%v: %d, %v: %s", c.err, answer.StatusCode, again, body)
		}
		if answer, _ := ask(""); answer.StatusCode != 200 {
			t.Errorf("the journal meanwhile: %d", answer.StatusCode)
		}
	}
}
