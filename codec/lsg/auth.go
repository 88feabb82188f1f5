package lsg

import (
	"fmt"
	"strconv"
)

// Limits of an authentication request.
const (
	DatasetMax          = 15 // bytes of a dataset code
	HeartbeatSecondsMin = 5
	HeartbeatSecondsMax = 1800
)

// Encoding is the form of the records that a client asks for.
type Encoding uint8

// Encodings. The zero value is what a client gets that does not say.
const (
	EncodingDBN Encoding = iota
	EncodingCSV
	EncodingJSON
)

var encodings = []string{"dbn", "csv", "json"}

// String returns the text of a control line.
func (e Encoding) String() string { return encodings[e] }

// Compression is how everything after the AuthResponse is packed on its way to the client.
type Compression uint8

// Compressions. The zero value is what a client gets that does not say.
const (
	CompressionNone Compression = iota
	CompressionZstd
)

var compressions = []string{"none", "zstd"}

// String returns the text of a control line.
func (c Compression) String() string { return compressions[c] }

// SlowReader is what a client wants when it reads too slowly.
type SlowReader uint8

// Slow reader behaviours. The zero value is what a client gets that does not say.
const (
	SlowReaderSkip SlowReader = iota // skip records, where the schema allows it
	SlowReaderWarn                   // say so, and skip nothing
)

var slowReaders = []string{"skip", "warn"}

// String returns the text of a control line.
func (s SlowReader) String() string { return slowReaders[s] }

// AuthRequest is what a client says about itself and its session. Values of keys that the line does
// not have are zero.
type AuthRequest struct {
	Auth             Auth   // required
	Dataset          string // required; 1 to DatasetMax bytes of printable ASCII
	Encoding         Encoding
	Compression      Compression
	TsOut            bool // every record is to end with the time it was sent
	HeartbeatSeconds int  // from HeartbeatSecondsMin to HeartbeatSecondsMax; 0: as the gateway likes
	SlowReader       SlowReader
	Client           string // free text: which program
	Details          string // free text
	PrettyPx         bool   // prices as decimal text; not for EncodingDBN
	PrettyTs         bool   // times as ISO 8601 text; not for EncodingDBN
	Unknown          int    // pairs with unknown keys; not written by Append
}

const authWhat = "authentication line"

// Places in authKeys.
const (
	authAuth = iota
	authDataset
	authEncoding
	authCompression
	authTsOut
	authHeartbeat
	authSlowReader
	authClient
	authDetails
	authPrettyPx
	authPrettyTs
)

var authKeys = []string{
	"auth", "dataset", "encoding", "compression", "ts_out", "heartbeat_interval_s",
	"slow_reader_behavior", "client", "details", "pretty_px", "pretty_ts",
}

// ParseAuthRequest reads an authentication line. Where older clients say "drop" for skip, so be it.
func ParseAuthRequest(line []byte) (AuthRequest, error) {
	var r AuthRequest
	seen, unknown, err := parsePairs(authWhat, line, authKeys, r.set)
	if err != nil {
		return AuthRequest{}, err
	}
	if err := require(authWhat, seen, authKeys, authAuth, authDataset); err != nil {
		return AuthRequest{}, err
	}
	r.Unknown = unknown
	return r, nil
}

func (r *AuthRequest) set(key int, value []byte) (err error) {
	var choice int
	switch key {
	case authAuth:
		r.Auth, err = ParseAuth(value)
	case authDataset:
		r.Dataset = string(value)
		err = checkDataset(r.Dataset)
	case authEncoding:
		choice, err = parseChoice(value, encodings)
		r.Encoding = Encoding(choice)
	case authCompression:
		choice, err = parseChoice(value, compressions)
		r.Compression = Compression(choice)
	case authTsOut:
		r.TsOut, err = parseBool(value)
	case authHeartbeat:
		var seconds uint64
		if seconds, err = parseUint(value, 31); err == nil {
			r.HeartbeatSeconds = int(seconds)
			err = checkHeartbeat(r.HeartbeatSeconds)
		}
	case authSlowReader:
		if string(value) == "drop" {
			value = []byte("skip")
		}
		choice, err = parseChoice(value, slowReaders)
		r.SlowReader = SlowReader(choice)
	case authClient:
		r.Client = string(value)
	case authDetails:
		r.Details = string(value)
	case authPrettyPx:
		r.PrettyPx, err = parseBool(value)
	case authPrettyTs:
		r.PrettyTs, err = parseBool(value)
	}
	return err
}

func checkDataset(dataset string) error {
	if dataset == "" || len(dataset) > DatasetMax || !isGraphic(dataset, '!') {
		return fmt.Errorf("%s: want 1 to %d printable ASCII characters", quote(dataset), DatasetMax)
	}
	return nil
}

func checkHeartbeat(seconds int) error {
	if seconds < HeartbeatSecondsMin || seconds > HeartbeatSecondsMax {
		return fmt.Errorf("%d: want %d to %d", seconds, HeartbeatSecondsMin, HeartbeatSecondsMax)
	}
	return nil
}

// Append adds the authentication line to b. The error says which value cannot be sent; b is then
// returned as it was.
func (r *AuthRequest) Append(b []byte) ([]byte, error) {
	err := checkDataset(r.Dataset)
	for _, text := range []string{r.Dataset, r.Client, r.Details} {
		if err == nil {
			err = checkText(text)
		}
	}
	if err == nil && r.HeartbeatSeconds != 0 {
		err = checkHeartbeat(r.HeartbeatSeconds)
	}
	if err != nil {
		return b, fmt.Errorf("write %s: %w", authWhat, err)
	}
	w := b
	add := func(key int, value string) { w = appendPair(w, len(b), authKeys[key], value) }
	add(authAuth, r.Auth.String())
	add(authDataset, r.Dataset)
	add(authEncoding, r.Encoding.String())
	add(authTsOut, bit(r.TsOut))
	add(authCompression, r.Compression.String())
	if r.Client != "" {
		add(authClient, r.Client)
	}
	if r.Details != "" {
		add(authDetails, r.Details)
	}
	if r.HeartbeatSeconds != 0 {
		add(authHeartbeat, strconv.Itoa(r.HeartbeatSeconds))
	}
	if r.SlowReader != SlowReaderSkip {
		add(authSlowReader, r.SlowReader.String())
	}
	if r.PrettyPx {
		add(authPrettyPx, "1")
	}
	if r.PrettyTs {
		add(authPrettyTs, "1")
	}
	return append(w, '\n'), nil
}
