package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A bar shows how far long work is, with rate and time left. A nil bar shows nothing.
type bar struct{ p *progressbar.ProgressBar }

// newBar draws on w if that is a terminal; else it returns nil. total counts bytes if bytes is set,
// else messages.
func newBar(w io.Writer, total int64, what string, bytes bool) *bar {
	if !isTerminal(w) {
		return nil
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(w), progressbar.OptionShowBytes(bytes), progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetDescription(what), progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(100 * time.Millisecond),
	}
	if !bytes {
		options = append(options, progressbar.OptionShowIts(), progressbar.OptionSetItsString("msg"))
	}
	return &bar{progressbar.NewOptions64(total, options...)}
}

func (b *bar) set(n int64) {
	if b != nil {
		_ = b.p.Set64(n) // a bar that cannot be drawn is no reason to stop
	}
}

func (b *bar) describe(what string) {
	if b != nil {
		b.p.Describe(what)
	}
}

func (b *bar) finish() {
	if b != nil {
		_ = b.p.Finish()
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
