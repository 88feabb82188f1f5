package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"text/tabwriter"

	"tidegate/gateway/admin"
)

type providerCmd struct {
	Feed string `arg:"" help:"Name of the feed."`
	Name string `arg:"" help:"Name of the provider."`

	Force  string `enum:",open,closed,none" default:"" placeholder:"STATE" help:"open: it is not used. closed: it is, whatever is seen of it. none: it is judged again."`
	Prefer *bool  `negatable:"" help:"Make it the first choice among equals, or take that back."`

	adminClient
}

// Help is shown below the flags' summary.
func (providerCmd) Help() string {
	return `Asks the admin interface of a running gateway, and shows what came of it. What was asked for holds until it is taken back, or the gateway ends; the log of the gateway has who asked.

  tidegate provider nasdaq carteret --force open     # maintenance: another one is active at once
  tidegate provider nasdaq carteret --force none     # judged again, and back after fail_back
  tidegate provider nasdaq secaucus --prefer         # as long as it is as good as the others`
}

// Run has a say.
func (c *providerCmd) Run(ctx context.Context, con *console) error {
	if (c.Force == "") == (c.Prefer == nil) {
		return usageError{errors.New("want one of --force open, --force closed, --force none, --prefer and --no-prefer")}
	}
	if err := c.check(); err != nil {
		return err
	}
	path := "/providers/" + url.PathEscape(c.Feed) + "/" + url.PathEscape(c.Name)
	var r admin.ChoiceReport
	if err := c.post(ctx, path, admin.Wish{Force: c.Force, Prefer: c.Prefer}, &r); err != nil {
		return fmt.Errorf("%s%s: %w", c.URL, path, err)
	}
	w := tabwriter.NewWriter(con.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	return writeProviders(w, con.Out, []admin.ChoiceReport{r}, false)
}
