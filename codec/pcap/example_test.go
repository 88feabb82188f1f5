package pcap_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/netip"

	"tidegate/codec/pcap"
	"tidegate/market"
)

func Example() {
	var file bytes.Buffer
	w, err := pcap.NewWriter(&file)
	if err != nil {
		log.Fatal(err)
	}
	src, dst := netip.MustParseAddrPort("10.0.0.1:5000"), netip.MustParseAddrPort("239.1.1.1:26400")
	for i, payload := range []string{"first", "second"} {
		ts := 1_700_000_000*market.Second + market.Nanos(i)
		if err := w.Write(ts, src, dst, []byte(payload)); err != nil {
			log.Fatal(err)
		}
	}

	r, err := pcap.NewReader(&file)
	if err != nil {
		log.Fatal(err)
	}
	var d pcap.Datagram
	for {
		err := r.Next(&d)
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %v: %s\n", d.TsRecv, d.Dst, d.Payload)
	}
	fmt.Printf("%d frames, %d skipped\n", r.Stats().Frames, r.Stats().Skipped())
	// Output:
	// 1700000000000000000 239.1.1.1:26400: first
	// 1700000000000000001 239.1.1.1:26400: second
	// 2 frames, 0 skipped
}
