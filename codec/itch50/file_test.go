package itch50

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"tidegate/codec/moldudp64"
)

// zeroLengths returns a copy of framed messages with every length zero.
func zeroLengths(framed []byte) []byte {
	b := bytes.Clone(framed)
	for rest := b; len(rest) > 0; {
		n := 2 + int(be.Uint16(rest))
		rest[0], rest[1] = 0, 0
		rest = rest[n:]
	}
	return b
}

// readAll returns the messages of a file, framed again, and the error at its end.
func readAll(f *FileReader) (framed []byte, messages int, err error) {
	for {
		msg, err := f.Next()
		if err != nil {
			return framed, messages, err
		}
		framed = AppendFramed(framed, msg)
		messages++
	}
}

func TestFileReaderEnds(t *testing.T) {
	systemEvent := unhex(golden[0].wire) // 12 bytes
	one := AppendFramed(nil, systemEvent)
	two := AppendFramed(one[:len(one):len(one)], systemEvent)
	with := func(b []byte, more ...byte) []byte { return append(b[:len(b):len(b)], more...) }
	for _, tt := range []struct {
		name     string
		file     []byte
		typed    bool
		messages int
		ended    bool
		want     error
		text     string
	}{
		{name: "nothing", want: io.EOF, text: "EOF"},
		{name: "marker alone", file: with(nil, 0, 0), ended: true, want: io.EOF, text: "EOF"},
		{name: "clean, no marker", file: two, messages: 2, want: io.EOF, text: "EOF"},
		{name: "clean, marker", file: with(two, 0, 0), messages: 2, ended: true, want: io.EOF, text: "EOF"},
		{
			name: "cut in the first length", file: []byte{0}, want: ErrCut,
			text: "itch file: length at byte 0: has 1 of 2 bytes: file ends inside a message",
		},
		{
			name: "cut in a length", file: with(two, 0), messages: 2, want: ErrCut,
			text: "itch file: length at byte 28: has 1 of 2 bytes: file ends inside a message",
		},
		{
			name: "cut behind a length", file: with(two, 0, 12), messages: 2, want: ErrCut,
			text: "itch file: message at byte 28: has 2 of 14 bytes: file ends inside a message",
		},
		{
			name: "cut in a message", file: two[:27], messages: 1, want: ErrCut,
			text: "itch file: message at byte 14: has 13 of 14 bytes: file ends inside a message",
		},
		{
			name: "bytes after the marker", file: with(two, 0, 0, 9), messages: 2, want: ErrAfterEnd,
			text: "itch file: byte 30: bytes after the end-of-session marker",
		},
		{
			name: "zero lengths", file: zeroLengths(two), want: ErrZeroLengths,
			text: "itch file: message at byte 0: length fields are zero; lengths can be taken from the message types",
		},
		{name: "typed", file: zeroLengths(two), typed: true, messages: 2, want: io.EOF, text: "EOF"},
		{name: "typed, lengths filled in", file: two, typed: true, messages: 2, want: io.EOF, text: "EOF"},
		{name: "typed, marker", file: with(zeroLengths(two), 0, 0), typed: true, messages: 2, ended: true, want: io.EOF, text: "EOF"},
		{
			name: "typed, cut", file: zeroLengths(two)[:20], typed: true, messages: 1, want: ErrCut,
			text: "itch file: message at byte 14: has 6 of 14 bytes: file ends inside a message",
		},
		{
			name: "typed, unknown type", file: with(zeroLengths(two), 0, 0, 'z', 1, 2, 3), typed: true, messages: 2, want: ErrUnknownType,
			text: "itch file: message type 'z' at byte 30: unknown message type",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			readers := map[string]io.Reader{
				"at once":       bytes.NewReader(tt.file),
				"byte by byte":  iotest.OneByteReader(bytes.NewReader(tt.file)),
				"data with EOF": iotest.DataErrReader(bytes.NewReader(tt.file)),
			}
			for name, r := range readers {
				f := NewFileReader(r)
				if tt.typed {
					f = NewTypedFileReader(r)
				}
				framed, messages, err := readAll(f)
				if messages != tt.messages || !bytes.Equal(framed, two[:14*messages]) {
					t.Errorf("%s: %d messages, want %d: %x", name, messages, tt.messages, framed)
				}
				if !errors.Is(err, tt.want) || err.Error() != tt.text {
					t.Errorf("%s: error\n     %v\nwant %s", name, err, tt.text)
				}
				if f.Ended() != tt.ended {
					t.Errorf("%s: ended is %t, want %t", name, f.Ended(), tt.ended)
				}
				if _, _, again := f.Block(); again != err {
					t.Errorf("%s: the next error is %v", name, again)
				}
			}
		})
	}
}

// TestFileReaderBlocks reads a file of many buffers and a mixture of calls.
func TestFileReaderBlocks(t *testing.T) {
	const n = 50_000
	file := AppendEnd(mix(n))
	if len(file) < 3*bufferLen {
		t.Fatalf("the file has %d bytes: too small for the test", len(file))
	}
	f := NewFileReader(bytes.NewReader(file))
	var got []byte
	messages := 0
	for {
		msg, err := f.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = AppendFramed(got, msg)
		messages++
		if f.Offset() != int64(len(got)) {
			t.Fatalf("offset %d after %d bytes", f.Offset(), len(got))
		}
		if messages%3 != 0 {
			continue
		}
		block, count, err := f.Block()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, block...)
		messages += count
		for ; len(block) > 0; count-- {
			_, block = moldudp64.Next(block)
		}
		if count != 0 {
			t.Fatalf("the number of messages of a block is off by %d", count)
		}
	}
	if !f.Ended() || messages != n || !bytes.Equal(got, file[:len(file)-2]) {
		t.Errorf("ended %t, %d messages of %d, %d bytes of %d", f.Ended(), messages, n, len(got), len(file))
	}
}

// TestFileReaderLongMessages has messages as long as the length field allows.
func TestFileReaderLongMessages(t *testing.T) {
	var file []byte
	for i := range 20 {
		file = AppendFramed(file, bytes.Repeat([]byte{byte(i + 1)}, 0xFFFF-i))
	}
	framed, messages, err := readAll(NewFileReader(iotest.HalfReader(bytes.NewReader(file))))
	if err != io.EOF || messages != 20 || !bytes.Equal(framed, file) {
		t.Errorf("%d messages, %v", messages, err)
	}
}

func TestFileReaderPassesErrorsOn(t *testing.T) {
	one := AppendFramed(nil, unhex(golden[0].wire))
	broken := errors.New("disk on fire")
	r := io.MultiReader(bytes.NewReader(one), strings.NewReader("\x00"), iotest.ErrReader(broken))
	_, messages, err := readAll(NewFileReader(r))
	if messages != 1 || !errors.Is(err, broken) || err.Error() != "itch file: byte 15: disk on fire" {
		t.Errorf("%d messages, %v", messages, err)
	}
	_, messages, err = readAll(NewFileReader(io.MultiReader(bytes.NewReader(one), stuck{})))
	if messages != 1 || !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("%d messages, %v", messages, err)
	}
}

// stuck is a reader that gives neither bytes nor an error.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestAppendFramedPanics(t *testing.T) {
	for _, n := range []int{0, 0x10000} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("AppendFramed of %d bytes does not panic", n)
				}
			}()
			AppendFramed(nil, make([]byte, n))
		}()
	}
}

func TestFileReaderDoesNotAllocate(t *testing.T) {
	file := mix(50_000)
	r := bytes.NewReader(file)
	f := NewFileReader(r)
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := f.Next(); err != nil {
			t.Fatal(err)
		}
		if f.Offset() > int64(len(file)/2) {
			if _, _, err := f.Block(); err != nil {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("reading allocates %.1f times per message, want 0", n)
	}
}
