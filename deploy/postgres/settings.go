// Package settings holds the settings that a PostgreSQL server for Tidegate should have, for the command that
// makes one.
package settings

import _ "embed"

// Server is tidegate.conf.
//
//go:embed tidegate.conf
var Server string
