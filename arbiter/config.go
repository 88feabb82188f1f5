package arbiter

import (
	"fmt"

	"tidegate/market"
)

// Config holds the limits of an Arbiter. Start from DefaultConfig.
type Config struct {
	// Session locks the channel to one session. With the zero value the first session seen is taken,
	// so set it where strangers may send to the channel's address.
	Session Session
	// GapDeadline is how long a missing range is waited for, counted from the packet that revealed it.
	GapDeadline market.Nanos
	// WindowPacketsMax is how many packets can be held behind missing ones. Their memory, this number
	// times PacketBytesMax, is taken at the start. When they are used up the first missing range is
	// given up, whatever its deadline.
	WindowPacketsMax int
	// PacketBytesMax is the largest block of messages that can be held. A larger one is treated as if
	// the window were full, so it is not lost, but what is missing before it is.
	PacketBytesMax int
	// JoinGapMax decides what the first packet of an epoch means. With up to this many messages before
	// it, the channel waits for them from sequence 1; with more, it joins at that packet.
	JoinGapMax uint64
	// JumpMax is how many messages may be missing at once before a packet is believed only together
	// with the next one of its line. It is also what one wrong heartbeat can cost: up to this many
	// messages that do not exist yet would be announced as lost.
	JumpMax uint64
	// FallBackMax is how many messages behind its own high-water mark a line may deliver because the
	// network changed the order. What comes from further back may be of a publisher that restarted.
	FallBackMax uint64
}

// DefaultConfig returns the limits for a busy channel on two lines in one building.
func DefaultConfig() Config {
	return Config{
		// 50 ms is when a price stops being fresh. It is enough for the other line, and for two to four
		// retransmit requests one after the other.
		GapDeadline: 50 * market.Millisecond,
		// 50 ms at 80,000 packets per second.
		WindowPacketsMax: 4096,
		PacketBytesMax:   2048,
		JoinGapMax:       4096,
		JumpMax:          10_000,
		FallBackMax:      1024,
	}
}

// Validate returns an error that names the first limit out of range.
func (c Config) Validate() error {
	if c.GapDeadline < 0 || c.GapDeadline > market.Minute {
		return fmt.Errorf("gap deadline %d ns: want 0 to %d (one minute)", c.GapDeadline, market.Minute)
	}
	if c.WindowPacketsMax < 1 || c.WindowPacketsMax > 1<<20 {
		return fmt.Errorf("window packets max %d: want 1 to %d", c.WindowPacketsMax, 1<<20)
	}
	if c.PacketBytesMax < 1 || c.PacketBytesMax > 1<<16 {
		return fmt.Errorf("packet bytes max %d: want 1 to %d", c.PacketBytesMax, 1<<16)
	}
	if c.JoinGapMax > 1<<32 {
		return fmt.Errorf("join gap max %d messages: want at most %d", c.JoinGapMax, uint64(1<<32))
	}
	if c.JumpMax < 1 || c.JumpMax > 1<<32 {
		return fmt.Errorf("jump max %d messages: want 1 to %d", c.JumpMax, uint64(1<<32))
	}
	if c.FallBackMax < 1 || c.FallBackMax > 1<<32 {
		return fmt.Errorf("fall back max %d messages: want 1 to %d", c.FallBackMax, uint64(1<<32))
	}
	return nil
}
