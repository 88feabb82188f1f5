package egress

import (
	"strings"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/internal/bus"
	"tidegate/market"
)

func TestConfigExplains(t *testing.T) {
	w := newWorld(t, bus.DefaultConfig(), market.Second)
	if err := w.config().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		"egress: no address": func(c *Config) { c.Addr = "" },
		"egress: address: address nowhere: missing port in address": func(c *Config) { c.Addr = "nowhere" },
		"egress: tls address :1: no certificate":                    func(c *Config) { c.TLSAddr = ":1" },
		"egress: loops 33: want 1 to 32":                            func(c *Config) { c.Loops = 33 },
		"egress: pass bytes 100: want 4096 to 16777216":             func(c *Config) { c.PassBytes = 100 },
		"egress: inline sessions -1: want 0 or more":                func(c *Config) { c.InlineSessions = -1 },
		"egress: send buffer bytes -1: want none or more":           func(c *Config) { c.SendBufferBytes = -1 },

		"egress: no feeds":                                                           func(c *Config) { c.Feeds = nil },
		"egress: heartbeat 1ns: want 1 ms to 24 h":                                   func(c *Config) { c.Heartbeat = time.Nanosecond },
		"egress: feed XSIM.ITCH: given twice":                                        func(c *Config) { c.Feeds = append(c.Feeds, c.Feeds[0]) },
		"egress: feed XSIM.ITCH: no schemas":                                         func(c *Config) { c.Feeds[0].Schemas = nil },
		"egress: feed XSIM.ITCH: schema mixed: cannot be subscribed to":              func(c *Config) { c.Feeds[0].Schemas = []dbn.Schema{dbn.SchemaMixed} },
		"egress: feed XSIM.ITCH: want a ring, a directory and a way to its upstream": func(c *Config) { c.Feeds[0].Do = nil },
		`egress: feed "": want a dataset of 1 to 15 bytes`:                           func(c *Config) { c.Feeds[0].Dataset = "" },
		"egress: feed OTHER: number 3: taken on its ring": func(c *Config) {
			c.Feeds = append(c.Feeds, c.Feeds[0])
			c.Feeds[1].Dataset = "OTHER"
		},
		"egress: key 1: no name":                                         func(c *Config) { c.Keys[0].Name = "" },
		`egress: key "test": no key`:                                     func(c *Config) { c.Keys[0].Key = lsg.Key{} },
		`egress: key "test": name is given twice`:                        func(c *Config) { c.Keys = append(c.Keys, c.Keys[0]) },
		`egress: key "b": is another one's too`:                          func(c *Config) { c.Keys = append(c.Keys, Key{Name: "b", Key: c.Keys[0].Key}) },
		"egress: limit of symbols 0: want at least 1":                    func(c *Config) { c.Limits.SymbolsMax = 0 },
		"egress: limit of input bytes 5: want room for a line of 163840": func(c *Config) { c.Limits.InputBytesMax = 5 },
	} {
		cfg := w.config()
		change(&cfg)
		if _, err := New(cfg); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if s := setOf(dbn.SchemaMBO, dbn.SchemaBBO1m).String(); s != "mbo, bbo-1m" || !strings.Contains(textSlow(skippable), "mbp-10") {
		t.Errorf("schemas %q", s)
	}
}
