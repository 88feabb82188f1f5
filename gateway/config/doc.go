// Package config reads the configuration of the gateway: one YAML file.
//
//	c, err := config.Load("/etc/tidegate.yaml")
//
// Everything has a default but the feeds and the keys. What is not right is not guessed at: an
// unknown field, a value of the wrong type or out of range, a name or an address that is used twice,
// a file that cannot be read. All such mistakes of a file are found at once, each with its line and
// column, what was found there and what is wanted:
//
//	tidegate.yaml:12:14: feeds[0].gap_deadline: found 5m, want a duration from 0s to 1m0s
//
// Sizes are written in bytes or with a unit (65536, 64 KiB, 32 MiB, 1 GiB), durations with a unit
// (500us, 50ms, 3s, 10m), addresses as numbers (233.252.0.1:26400, [ff05::1]:26400). Files are
// looked for from the directory of the configuration.
//
// Load is the only function that touches the machine. Parse works on text, and takes files and the
// environment from functions.
package config
