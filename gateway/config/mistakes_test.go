package config

import (
	"net/netip"
	"strings"
	"testing"
)

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// mistakes has a configuration for each kind of mistake, and all that is to be said about it.
var mistakes = []struct {
	name, text string
	want       []string
}{
	{"no feeds and subscribers", "log: {}\n", []string{"etc/c.yaml:1:1: found no feeds, want at least one", "etc/c.yaml:1:1: found no subscribers"}},
	{"two documents", small + "---\na: 1\n", []string{"etc/c.yaml:10:1: found another document, want one"}},
	{"unknown field", small + "log: {}\nlogs: {}\n", []string{
		`etc/c.yaml:10:1: found unknown field "logs", want one of feeds, consolidated, loop, ring, subscribers, capture, journal, postgres, orders, admin, log`,
	}},
	{"unknown field inside", small + "loop:\n  tick: 1ms\n  tock: 1ms\n", []string{
		`etc/c.yaml:11:3: loop: found unknown field "tock", want one of threading, idle, tick, cpu, receive_cpu`,
	}},
	{"anchor", small + "loop: &a {}\n", []string{"etc/c.yaml:9:7: loop: found an anchor, alias or tag, want fields: threading"}},
	{"words", small + "loop: {idle: sleep}\nlog: {level: loud, format: xml}\n", []string{
		`etc/c.yaml:9:14: loop.idle: found "sleep", want one of backoff, park, spin`,
		`etc/c.yaml:10:14: log.level: found "loud", want one of debug, info, warn, error`,
		`etc/c.yaml:10:28: log.format: found "xml", want one of text, json`,
	}},
	{"threads", small + "loop: {threading: many}\n", []string{`etc/c.yaml:9:19: loop.threading: found "many", want one of auto, inline, shared, split`}},
	{"no such thread", small + "loop: {receive_cpu: 1}\n", []string{`etc/c.yaml:9:21: loop.receive_cpu: found 1, want none, but with threading split: only there another thread receives`}},
	{"one processor for two threads", small + "loop: {threading: split, cpu: 1, receive_cpu: 1}\n", []string{`etc/c.yaml:9:47: loop.receive_cpu: found 1, want another processor than cpu`}},
	{"durations", small + "loop:\n  tick: 1\n", []string{`etc/c.yaml:10:9: loop.tick: found 1, want a duration from 100µs to 100ms`}},
	{"duration out of range", small + "loop:\n  tick: 10s\n", []string{`etc/c.yaml:10:9: loop.tick: found "10s", want a duration`}},
	{"numbers", small + "loop: {cpu: x}\nring:\n  chunks: 1.5\n  chunk_bytes: -1\n", []string{
		`etc/c.yaml:9:13: loop.cpu: found "x", want a whole number from 0 to 1023`,
		`etc/c.yaml:11:11: ring.chunks: found 1.5, want a whole number`,
		`etc/c.yaml:12:16: ring.chunk_bytes: found -1, want a size from 4 KiB to 1 GiB`,
	}},
	{"number out of range", small + "ring: {chunks: 99999999999999999999, chunk_bytes: 9999999999 GiB}\n", []string{
		`etc/c.yaml:9:16: ring.chunks: found `, `etc/c.yaml:9:51: ring.chunk_bytes: found "9999999999 GiB", want a size`,
	}},
	{"no power of two", small + "ring: {chunks: 63, chunk_bytes: 65 KiB}\n", []string{
		"etc/c.yaml:9:16: ring.chunks: found 63, want a power of two", `etc/c.yaml:9:33: ring.chunk_bytes: found "65 KiB", want a power`,
	}},
	{"ring too large", small + "ring:\n  chunks: 1024\n  chunk_bytes: 1 GiB\n", []string{
		"etc/c.yaml:10:3: ring: found 1024 chunks of 1 GiB, want at most 64 GiB in all",
	}},
	{"true or false", small + "admin: {pprof: maybe}\n", []string{`etc/c.yaml:9:16: admin.pprof: found "maybe", want true or false`}},
	{"nothing", small + "log:\n  level:\n", []string{"etc/c.yaml:10:3: log.level: found nothing, want one of"}},
	{"list for text", strings.Replace(small, "name: sim", "name: [sim]", 1), []string{
		"etc/c.yaml:2:11: feeds[0].name: found a list, want text of 1 to 64 characters",
	}},
	{"no list", "feeds: {name: a}\n", []string{"etc/c.yaml:1:1: found no subscribers", "etc/c.yaml:1:8: feeds: found fields, want a list"}},
	{"feed without fields", "feeds:\n  - \n" + small[len("feeds:\n"):], []string{
		"feeds[0]: found no name", "feeds[0]: found no protocol", "feeds[0]: found no lines",
	}},
	{"no feeds", "feeds: []\n" + small[strings.Index(small, "subscribers"):], []string{"found no feeds, want at least one"}},
	{"feeds alike", "feeds:\n" + feed("a", "itch", "127.0.0.1:1") + feed("a", "tops", "127.0.0.1:2") + feed("b", "itch", "127.0.0.1:3") + subscribersText, []string{
		`etc/c.yaml:6:11: feeds[1].name: found "a" again, want another name for each feed`,
		`etc/c.yaml:10:5: feeds[2]: found dataset XNAS.ITCH, which feed "a" has, want one feed for a dataset`,
	}},
	{"dataset", strings.Replace(small, "protocol: itch", "protocol: itch\n    dataset: XNAS.ITCHY", 1), []string{
		`etc/c.yaml:4:14: feeds[0].dataset: found "XNAS.ITCHY", want one of GLBX.MDP3, XNAS.ITCH`,
	}},
	{"protocol", strings.Replace(small, "itch", "fix", 1), []string{`etc/c.yaml:3:15: feeds[0].protocol: found "fix", want one of itch, pitch, deep, tops`}},
	{"session", strings.Replace(small, "protocol: itch", "protocol: deep\n    session: x", 1), []string{
		"etc/c.yaml:4:14: feeds[0].session: found a session, want none",
	}},
	{"long session", strings.Replace(small, "protocol: itch", "protocol: itch\n    session: 12345678901", 1), []string{
		"etc/c.yaml:4:14: feeds[0].session: found 12345678901, want text of 1 to 10 characters",
	}},
	{"no lines", "feeds:\n  - {name: a, protocol: itch, lines: []}\n" + subscribersText, []string{"etc/c.yaml:2:38: feeds[0].lines: found no lines, want at least one"}},
	{"providers", "feeds:\n  - name: a\n    protocol: deep\n    silence: 20ms\n    lines: [{name: A, address: '127.0.0.1:1'}]\n    providers:\n" +
		"      - {name: x, tcp: {name: A, address: nowhere}}\n      - {name: x, lines: [{name: A, address: '127.0.0.1:1'}], snapshots: {deadline: 1s}}\n      - {}\n" + subscribersText, []string{
		"etc/c.yaml:2:5: feeds[0]: found a silence of 20ms, want more than stale_after, 50ms",
		"etc/c.yaml:5:12: feeds[0].lines: found lines beside providers, want them in each provider, or no providers",
		"etc/c.yaml:7:24: feeds[0].providers[0].tcp: found a line by tcp of protocol deep, want none",
		`etc/c.yaml:7:43: feeds[0].providers[0].tcp.address: found "nowhere", want a host and a port`,
		`etc/c.yaml:8:16: feeds[0].providers[1].name: found "x" again, want another name for each provider`,
		`etc/c.yaml:8:46: feeds[0].providers[1].lines[0].address: found 127.0.0.1:1, which line A of feed "a" has, want an address for each line`,
		"etc/c.yaml:8:74: feeds[0].providers[1].snapshots: found no servers, want at least one",
		"etc/c.yaml:8:74: feeds[0].providers[1].snapshots: found snapshots of protocol deep, want none",
		"etc/c.yaml:9:9: feeds[0].providers[2]: found no name, want one",
		"etc/c.yaml:9:9: feeds[0].providers[2]: found no lines, want at least one",
	}},
	{"lines", linesText(
		"{name: A, address: 127.0.0.1:1}", "{name: A, address: 127.0.0.1:2}", "{name: B, address: 127.0.0.1:1}", "{name: X, address: nowhere}",
		"{address: 127.0.0.1:0}", "{name: C}",
	), []string{
		"etc/c.yaml:6:16: feeds[0].lines[1].name: found line A again, want each line of a provider once",
		`etc/c.yaml:7:28: feeds[0].lines[2].address: found 127.0.0.1:1, which line A of feed "a" has, want an address for each line`,
		`etc/c.yaml:8:16: feeds[0].lines[3].name: found "X", want one of A, B, C, D, E, F, G, R`,
		`etc/c.yaml:8:28: feeds[0].lines[3].address: found "nowhere", want an address and a port`,
		"etc/c.yaml:9:9: feeds[0].lines[4]: found no name, want one of A",
		`etc/c.yaml:9:19: feeds[0].lines[4].address: found "127.0.0.1:0", want an address and a port`,
		"etc/c.yaml:10:9: feeds[0].lines[5]: found no address, want one",
	}},
	{"groups", linesText(
		"{name: A, address: 233.252.0.1:1}", "{name: B, address: 127.0.0.1:1, interface: lo}", "{name: C, address: 127.0.0.1:2, source: 192.0.2.1}",
		`{name: D, address: 233.252.0.1:2, interface: lo, source: "::1"}`, "{name: E, address: 0.0.0.0:2}",
		`{name: F, address: 233.252.0.1:3, interface: lo, receive_buffer: 1}`,
	), []string{
		"etc/c.yaml:5:28: feeds[0].lines[0].address: found group 233.252.0.1 without an interface, want the name of the interface",
		"etc/c.yaml:6:52: feeds[0].lines[1].interface: found an interface, want none: 127.0.0.1 is no multicast group",
		"etc/c.yaml:7:49: feeds[0].lines[2].source: found a source, want none",
		"etc/c.yaml:8:66: feeds[0].lines[3].source: found ::1, want a sender of the address family of 233.252.0.1",
		"etc/c.yaml:9:28: feeds[0].lines[4].address: found 0.0.0.0, want the one address",
		"etc/c.yaml:10:74: feeds[0].lines[5].receive_buffer: found 1, want a size from 4 KiB to 1073741823",
	}},
	{"retransmit", retransmitText("deep", "A", "{}"), []string{
		"etc/c.yaml:5:17: feeds[0].retransmit: found no servers, want at least one, or of protocol pitch, proxies",
		"etc/c.yaml:5:17: feeds[0].retransmit: found retransmission of protocol deep, want none: only itch and pitch have it",
	}},
	{"proxies of another protocol", retransmitText("itch", "A", "{proxies: [{address: 'a:1'}], address: '127.0.0.1:9'}"), []string{
		"etc/c.yaml:5:17: feeds[0].retransmit: found proxies of protocol itch, want servers: it is asked for by datagrams, without a login",
	}},
	{"servers of another protocol", retransmitText("pitch", "A", "{servers: ['192.0.2.1:1']}"), []string{
		"etc/c.yaml:5:17: feeds[0].retransmit: found servers of protocol pitch, want proxies: it is asked for by TCP, with a login",
	}},
	{"proxies of a protocol without", retransmitText("tops", "A", "{proxies: [{address: 'a:1'}], address: '127.0.0.1:9'}"), []string{
		"etc/c.yaml:5:17: feeds[0].retransmit: found retransmission of protocol tops, want none: only itch and pitch have it",
	}},
	{"servers and proxies", retransmitText("pitch", "R", "{servers: ['192.0.2.1:1'], proxies: [{address: 'a:1'}], gap_max: 0}"), []string{
		"etc/c.yaml:5:17: feeds[0].retransmit: found servers and proxies, want one of the two",
		"etc/c.yaml:5:17: feeds[0].retransmit: found servers of protocol pitch, want proxies",
		"etc/c.yaml:5:17: feeds[0].retransmit: found retransmission beside a line R, want one of the two",
		"etc/c.yaml:5:82: feeds[0].retransmit.gap_max: found 0, want a whole number",
	}},
	{"proxies", retransmitText("pitch", "A", "{proxies: [{}, {address: nowhere, session_sub_id: lengthy, username: lengthy, password: hiddenhidden}, "+
		"{address: 'a:1', user: x}, {address: 'a:1', session_sub_id: '0001'}, {address: 'a:1', session_sub_id: '0001'}]}"), []string{
		"etc/c.yaml:5:17: feeds[0].retransmit: found no address, want one",
		"etc/c.yaml:5:17: feeds[0].retransmit: found a gap_deadline of 50ms, want at least 52ms",
		"etc/c.yaml:5:28: feeds[0].retransmit.proxies[0]: found no address, want one",
		`etc/c.yaml:5:42: feeds[0].retransmit.proxies[1].address: found "nowhere", want a host and a port`,
		"etc/c.yaml:5:67: feeds[0].retransmit.proxies[1].session_sub_id: found ",
		"etc/c.yaml:5:86: feeds[0].retransmit.proxies[1].username: found ",
		"etc/c.yaml:5:105: feeds[0].retransmit.proxies[1].password: found something else, want a password of 1 to 10 characters",
		`etc/c.yaml:5:137: feeds[0].retransmit.proxies[2]: found unknown field "user", want one of address, session_sub_id, username, password`,
		"etc/c.yaml:5:199: feeds[0].retransmit.proxies[4].address: found a:1 again, want each proxy once",
	}},
	{"no proxies", retransmitText("pitch", "A", "{proxies: [], address: '127.0.0.1:1'}"), []string{
		"etc/c.yaml:5:27: feeds[0].retransmit.proxies: found no proxies, want at least one",
		`etc/c.yaml:5:40: feeds[0].retransmit.address: found 127.0.0.1:1, which line A of feed "a" has, want an address for each line`,
	}},
	{"answers of proxies", retransmitText("pitch", "A", "{proxies: [{address: 'a:1'}], address: '127.0.0.1:0', interface: lo}"), []string{
		"etc/c.yaml:5:56: feeds[0].retransmit.address: found 127.0.0.1:0, want a port",
		"etc/c.yaml:5:82: feeds[0].retransmit.interface: found an interface, want none: 127.0.0.1 is no multicast group",
	}},
	{"answers of proxies by a group", retransmitText("pitch", "A", "{proxies: [{address: 'a:1'}], address: '239.1.1.1:1', source: '::1'}"), []string{
		"etc/c.yaml:5:56: feeds[0].retransmit.address: found group 239.1.1.1 without an interface, want the name",
		"etc/c.yaml:5:79: feeds[0].retransmit.source: found ::1, want a sender of the address family of 239.1.1.1",
	}},
	{"answers of servers by a group", retransmitText("itch", "A", "{servers: ['192.0.2.1:1'], interface: lo, source: 192.0.2.1}"), []string{
		"etc/c.yaml:5:55: feeds[0].retransmit.interface: found interface beside servers, want none",
		"etc/c.yaml:5:67: feeds[0].retransmit.source: found source beside servers, want none",
	}},
	{"retransmit servers", retransmitText("itch", "R", `{servers: [nowhere, "192.0.2.1:0", "192.0.2.1:1", "192.0.2.1:1", "[::1]:1", "239.1.1.1:1", "0.0.0.0:1"]}`), []string{
		"etc/c.yaml:5:17: feeds[0].retransmit: found retransmission beside a line R, want one of the two",
		"etc/c.yaml:5:17: feeds[0].retransmit: found a gap_deadline of 50ms, want at least 52ms: request_after, 2ms, and a timeout of 10ms for each of the servers, 5",
		`etc/c.yaml:5:28: feeds[0].retransmit.servers[0]: found "nowhere", want an address and a port`,
		`etc/c.yaml:5:37: feeds[0].retransmit.servers[1]: found "192.0.2.1:0", want an address and a port`,
		"etc/c.yaml:5:67: feeds[0].retransmit.servers[3]: found 192.0.2.1:1 again, want each server once",
		"etc/c.yaml:5:82: feeds[0].retransmit.servers[4]: found [::1]:1, want one of the address family of 192.0.2.1:1",
		"etc/c.yaml:5:93: feeds[0].retransmit.servers[5]: found 239.1.1.1, want the address of one machine",
		"etc/c.yaml:5:108: feeds[0].retransmit.servers[6]: found 0.0.0.0, want the address of one machine",
	}},
	{"retransmit settings", retransmitText("itch", "A", "{servers: ['192.0.2.1:1'], address: '[::]:0', request_after: 2m, timeout: 40ms, messages: 65535, in_flight: 257, rest: 30ms, rest_max: 20ms}"), []string{
		"etc/c.yaml:5:17: feeds[0].retransmit: found a rest of 30ms, want at least the timeout, 40ms",
		`etc/c.yaml:5:53: feeds[0].retransmit.address: found ::, want one of the address family of 192.0.2.1:1`,
		`etc/c.yaml:5:78: feeds[0].retransmit.request_after: found "2m", want a duration from 0s to 1m0s`,
		"etc/c.yaml:5:107: feeds[0].retransmit.messages: found 65535, want a whole number from 1 to 65534",
		"etc/c.yaml:5:125: feeds[0].retransmit.in_flight: found 257, want a whole number from 1 to 256",
	}},
	{"retransmit rest", retransmitText("itch", "A", "{servers: ['192.0.2.1:1'], address: '239.1.1.1:0', rest: 30ms, rest_max: 20ms}"), []string{
		"etc/c.yaml:5:17: feeds[0].retransmit: found a rest_max of 20ms, want at least the rest, 30ms",
		`etc/c.yaml:5:53: feeds[0].retransmit.address: found group 239.1.1.1, want an address of this machine`,
	}},
	{"retransmit and no time for it", strings.Replace(retransmitText("itch", "A", "{servers: ['192.0.2.1:1']}"), "    lines", "    gap_deadline: 11ms\n    lines", 1), []string{
		"etc/c.yaml:6:17: feeds[0].retransmit: found a gap_deadline of 11ms, want at least 12ms: request_after, 2ms, and a timeout of 10ms for each of the servers, 1",
	}},
	{"spin server", strings.Replace(retransmitText("pitch", "A", "{servers: [{address: 'a:1', username: fiver, session_sub_id: 0001}]}"), "retransmit", "snapshots", 1), []string{
		"etc/c.yaml:5:16: feeds[0].snapshots: found a username of 5 characters, want at most 4: it is for a spin server",
	}},
	{"no keys", small[:strings.Index(small, "    - {name: one")], []string{"subscribers.keys: found no keys, want at least one"}},
	{"no subscribers", small[:strings.Index(small, "subscribers")], []string{"etc/c.yaml:1:1: found no subscribers, want them and their keys"}},
	{"keys", keysText(
		"{name: one, key: short}", "{name: one, key_file: gone.key}", "{name: two, key_env: GONE}", "{name: three}",
		"{name: four, key_file: one.key, key_env: KEY_TWO}", "{name: five, key_file: one.key, datasets: [XNAS.ITCH, GLBX.MDP3]}", "{key_file: bad.key}",
	), []string{
		"etc/c.yaml:8:26: subscribers.keys[0].key: found 5 characters that are no key, want 32 printable",
		`etc/c.yaml:9:16: subscribers.keys[1].name: found "one" again, want another name for each key`,
		`etc/c.yaml:9:31: subscribers.keys[1].key_file: found "gone.key", which cannot be read: file does not exist, want the name of a file`,
		`etc/c.yaml:10:30: subscribers.keys[2].key_env: found "GONE", want the name of an environment variable that is set`,
		"etc/c.yaml:11:9: subscribers.keys[3]: found 0 of key, key_file and key_env, want one of them",
		"etc/c.yaml:12:9: subscribers.keys[4]: found 2 of key, key_file and key_env, want one of them",
		`etc/c.yaml:13:63: subscribers.keys[5].datasets[1]: found "GLBX.MDP3", want a dataset that is served: XNAS.ITCH`,
		"etc/c.yaml:14:9: subscribers.keys[6]: found no name",
		"etc/c.yaml:14:20: subscribers.keys[6].key_file: found 5 characters that are no key",
	}},
	{"key alone", keysText(keyOne, "{"+keyTwo+": one}"), []string{
		`etc/c.yaml:8:9: subscribers.keys[0]: found "********************************", want fields: name, key`,
		"etc/c.yaml:8:9: subscribers.keys[0]: found 0 of key, key_file and key_env", "etc/c.yaml:8:9: subscribers.keys[0]: found no name",
		"etc/c.yaml:9:9: subscribers.keys[1]: found 0 of key, key_file and key_env", "etc/c.yaml:9:9: subscribers.keys[1]: found no name",
		`etc/c.yaml:9:10: subscribers.keys[1]: found unknown field "********************************", want one of name, key`,
	}},
	{"key twice", keysText("{name: one, key: db-ExampleKeyForTests0000000abcd}", "{name: two, key_file: one.key}"), []string{
		`etc/c.yaml:9:9: subscribers.keys[1]: found the key that "one" has, want another one`,
	}},
	{"consolidated", small + "consolidated: {dataset: XNAS.ITCH}\n", []string{
		`etc/c.yaml:9:25: consolidated.dataset: found XNAS.ITCH, which feed "sim" has, want a dataset that no feed has`,
	}},
	{"consolidated name", small + "consolidated:\n  dataset: SIXTEEN.LETTERS.\n", []string{
		`etc/c.yaml:10:12: consolidated.dataset: found "SIXTEEN.LETTERS.", want 1 to 15 printable characters without spaces and pipes`,
	}},
	{"consolidated name of two", small + "consolidated: {dataset: 'A|B', name: a}\n", []string{
		`etc/c.yaml:9:25: consolidated.dataset: found "A|B", want 1 to 15`,
		`etc/c.yaml:9:32: consolidated: found unknown field "name", want one of dataset`,
	}},
	{"consolidated without feeds", "consolidated: {dataset: TIDE.CONS}\n" + subscribersText, []string{"etc/c.yaml:1:1: found no feeds, want at least one"}},
	{"consolidated that a key wants", strings.Replace(small, "one.key}", "one.key, datasets: [TIDE.CONS, XNAS.CONS]}", 1) + "consolidated: {dataset: TIDE.CONS}\n", []string{
		`etc/c.yaml:8:60: subscribers.keys[0].datasets[1]: found "XNAS.CONS", want a dataset that is served: XNAS.ITCH, TIDE.CONS`,
	}},
	{"listen", small + "admin: {listen: somewhere}\n", []string{`etc/c.yaml:9:17: admin.listen: found "somewhere", want an address and a port`}},
	{"listen by name", small + "admin: {listen: 'localhost:1'}\n", []string{`etc/c.yaml:9:17: admin.listen: found "localhost:1", want an address`}},
	{"ports clash", small + "admin: {listen: '127.0.0.1:13000'}\n", []string{
		`etc/c.yaml:9:17: admin.listen: found "127.0.0.1:13000", which subscribers.listen has (":13000"), want another port`,
	}},
	{"port clashes with a default", small + "  listen: 127.0.0.1:8080\n", []string{
		`etc/c.yaml:9:11: subscribers.listen: found "127.0.0.1:8080", which admin.listen has ("127.0.0.1:8080"), want another port`,
	}},
	{"no token", small + "admin: {listen: '0.0.0.0:8080'}\n", []string{
		`etc/c.yaml:9:17: admin.listen: found "0.0.0.0:8080" without a token, want a token, or a loopback address`,
	}},
	{"short token", small + "admin: {token: secret}\n", []string{"etc/c.yaml:9:16: admin.token: found something else, want 16 to 256 printable characters"}},
	{"half of tls", small + "  tls: {cert: /etc/gateway.crt}\n", []string{
		"etc/c.yaml:9:8: subscribers.tls: found no listen, want listen, cert and key, or none of them",
		"etc/c.yaml:9:8: subscribers.tls: found no key",
	}},
	{"tls files", small + "  tls: {listen: ':1', cert: gone.crt, key: gateway.key}\n", []string{
		`etc/c.yaml:9:29: subscribers.tls.cert: found "gone.crt", which cannot be read`,
	}},
	{"tls files that are none", small + "  tls: {listen: ':1', cert: /etc/gateway.crt, key: gateway.key}\n", []string{
		"etc/c.yaml:9:8: subscribers.tls: found a certificate and a key that cannot be used: tls: failed to find any PEM data",
	}},
	{"heartbeat", small + "  heartbeat: 5500ms\n", []string{`etc/c.yaml:9:14: subscribers.heartbeat: found "5500ms", want whole seconds`}},
	{"limits", small + "  limits: {connections: 0, input_bytes: 1}\n", []string{
		"etc/c.yaml:9:25: subscribers.limits.connections: found 0, want a whole number from 1", "etc/c.yaml:9:41: subscribers.limits.input_bytes: found 1, want a size",
	}},
	{"journal", small + "journal: {dir: '', schemas: [mbo, cmbp-1, mbo], commit_every: 1us, retain_bytes: -1}\n", []string{
		`etc/c.yaml:9:16: journal.dir: found ""`, `etc/c.yaml:9:35: journal.schemas[1]: found "cmbp-1", want one of mbo, mbp-1`,
		`etc/c.yaml:9:43: journal.schemas[2]: found "mbo" again, want each schema once`, `etc/c.yaml:9:63: journal.commit_every: found "1us"`,
		"etc/c.yaml:9:82: journal.retain_bytes: found -1",
	}},
	{"postgres", small + "journal: {dir: j, schemas: [mbo]}\npostgres: {dsn: 'password=hidden', dsn_file: gone, reader: a b, keep: [trades, ticks, orders, trades], " +
		"workers: 9, batch_wait: 0s, synchronous_commit: local, standbys: 1, ahead: 1s}\n", []string{
		"etc/c.yaml:10:11: postgres: found 2 of dsn, dsn_file and dsn_env, want one of them",
		`etc/c.yaml:10:46: postgres.dsn_file: found "gone", which cannot be read`,
		`etc/c.yaml:10:60: postgres.reader: found "a b", want 1 to 64 letters`,
		`etc/c.yaml:10:71: postgres.keep: found "trades", of which the journal keeps nothing, want journal.schemas with one of trades`,
		`etc/c.yaml:10:80: postgres.keep[1]: found "ticks", want one of trades, quotes, bars, orders, records`,
		`etc/c.yaml:10:95: postgres.keep[3]: found "trades" again, want each table once`,
		"etc/c.yaml:10:113: postgres.workers: found 9, want a whole number from 1 to 8",
		`etc/c.yaml:10:128: postgres.batch_wait: found "0s", want a duration from 1ms`,
		"etc/c.yaml:10:169: postgres.standbys: found 1 with synchronous_commit local, want remote_write, on or remote_apply",
		`etc/c.yaml:10:179: postgres.ahead: found "1s", want a duration from 1m0s`,
	}},
	{"postgres without a journal", small + "postgres:\n  dsn: host=b\n", []string{"postgres: found a database and no journal, want a journal.dir"}},
	{"postgres without a value", small + "journal: {dir: j}\npostgres: {dsn_env: EMPTY}\n", []string{"etc/c.yaml:10:11: postgres: found an empty connection string"}},
	{"postgres without its variable", small + "journal: {dir: j}\npostgres: {dsn_env: GONE}\n", []string{`etc/c.yaml:10:21: postgres.dsn_env: found "GONE", want the name of an environment variable that is set`}},
	{"postgres as a text", small + "postgres: host=a password=hidden\n", []string{"etc/c.yaml:9:11: postgres: found a text, want fields: dsn and others"}},
	{"capture", small + "capture: {file: 'a{b}', queue: 1}\n", []string{
		`etc/c.yaml:9:17: capture.file: found "a{b}", want no braces but those of {start}`, "etc/c.yaml:9:32: capture.queue: found 1, want a size from 128 KiB to 1 GiB",
	}},
}

func feed(name, protocol, address string) string {
	return "  - name: " + name + "\n    protocol: " + protocol + "\n    lines:\n      - {name: A, address: '" + address + "'}\n"
}

const subscribersText = "subscribers:\n  keys:\n    - {name: one, key_file: one.key}\n"

func retransmitText(protocol, line, section string) string {
	return "feeds:\n  - name: a\n    protocol: " + protocol + "\n    lines: [{name: " + line + ", address: 127.0.0.1:1}]\n" +
		"    retransmit: " + section + "\n" + subscribersText
}

func linesText(lines ...string) string {
	return "feeds:\n  - name: a\n    protocol: itch\n    lines:\n      - " + strings.Join(lines, "\n      - ") + "\n" + subscribersText
}

func keysText(keys ...string) string {
	return small[:strings.Index(small, "    - {name: one")] + "      - " + strings.Join(keys, "\n      - ") + "\n"
}

func TestMistakes(t *testing.T) {
	for _, c := range mistakes {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(c.text)
			if err == nil {
				t.Fatalf("accepted:\n%s", c.text)
			}
			got := strings.Split(err.Error(), "\n")
			for i := range max(len(got), len(c.want)) {
				switch {
				case i >= len(got):
					t.Errorf("not found: %s", c.want[i])
				case i >= len(c.want):
					t.Errorf("more than wanted: %s", got[i])
				case !strings.Contains(got[i], c.want[i]):
					t.Errorf("got  %s\nwant %s", got[i], c.want[i])
				}
			}
			if strings.Contains(err.Error(), keyOne) || strings.Contains(err.Error(), keyTwo) || strings.Contains(err.Error(), "hidden") {
				t.Error("the error shows a secret")
			}
		})
	}
}
