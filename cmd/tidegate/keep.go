package main

import (
	"encoding/json"
	"os"

	"tidegate/bench"
)

// keptDay returns the truth about a generated day that was kept, if it is of this configuration.
func keptDay(path string, cfg bench.ITCHConfig) (truth bench.Truth, ok bool) {
	b, err := os.ReadFile(path + ".json")
	if err != nil || json.Unmarshal(b, &truth) != nil || truth.ITCHConfig != cfg {
		return truth, false
	}
	info, err := os.Stat(path)
	return truth, err == nil && info.Size() == truth.Bytes
}
