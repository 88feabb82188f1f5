package recovery

import (
	"errors"
	"fmt"
	"time"

	"tidegate/gateway/breaker"
	"tidegate/market"
)

// Config has the limits of Snapshots. Start from DefaultConfig.
type Config struct {
	// Deadline is for an attempt, from the call of the server until the channel has come as far as its snapshot.
	Deadline time.Duration
	// AheadMax is how many messages a snapshot may be ahead of the channel when it is whole. One that is further
	// ahead is not waited for.
	AheadMax uint64
	// MessagesMax and BytesMax are how large a snapshot may be. They bound the books in the making too.
	MessagesMax, BytesMax int
	// KeptMax is how many bytes of what the channel publishes meanwhile are kept.
	KeptMax int
	// IntervalMin is the time between the beginnings of two attempts, and PerMinute how many there are in any
	// minute.
	IntervalMin market.Nanos
	PerMinute   int
	// After an attempt that failed the next one waits for PauseMin, then twice as long each time, up to PauseMax.
	PauseMin, PauseMax market.Nanos
	// GiveUpAfter is how long events of a channel that was joined in its middle are withheld. Attempts go on
	// after that.
	GiveUpAfter market.Nanos
	// Breaker has the times of the breaker that each server has. Its name is filled in.
	Breaker breaker.Config
	// Record gets every input of the pipeline, as AppendInput writes it, on the loop. It must not wait, and
	// payload is valid only during the call. nil for nobody.
	Record func(payload []byte)
	// Feed is the number of the feed in the recording.
	Feed uint16
}

// DefaultConfig returns limits for a large venue: ten million orders within 15 s, after which somebody else is
// worth a try.
func DefaultConfig() Config {
	return Config{
		Deadline: 15 * time.Second, AheadMax: 1_000_000,
		MessagesMax: 10_000_000, BytesMax: 1 << 30, KeptMax: 256 << 20,
		IntervalMin: 500 * market.Millisecond, PerMinute: 12,
		PauseMin: 250 * market.Millisecond, PauseMax: 30 * market.Second,
		GiveUpAfter: 15 * market.Second,
		Breaker:     breaker.Config{CoolDown: 5 * time.Second, Jitter: time.Second, Probes: 1},
	}
}

// perMinuteMax bounds Config.PerMinute: the times of so many attempts are remembered.
const perMinuteMax = 600

// Validate reports the first thing that is wrong, and what is expected instead.
func (c *Config) Validate() error {
	switch {
	case c.Deadline <= 0 || c.Deadline > 10*time.Minute:
		return fmt.Errorf("deadline %v: want more than 0, 10 minutes at most", c.Deadline)
	case c.MessagesMax < 1:
		return fmt.Errorf("messages max %d: want at least 1", c.MessagesMax)
	case c.BytesMax < 1:
		return fmt.Errorf("bytes max %d: want at least 1", c.BytesMax)
	case c.KeptMax < BlockMax || c.KeptMax > keptLimit:
		return fmt.Errorf("kept max %d bytes: want %d to %d", c.KeptMax, BlockMax, keptLimit)
	case c.IntervalMin < 0:
		return errors.New("interval min: want 0 or more")
	case c.PerMinute < 1 || c.PerMinute > perMinuteMax:
		return fmt.Errorf("%d attempts per minute: want 1 to %d", c.PerMinute, perMinuteMax)
	case c.PauseMin < 0 || c.PauseMax < c.PauseMin:
		return fmt.Errorf("pause %v to %v: want 0 or more, and the larger one last", time.Duration(c.PauseMin), time.Duration(c.PauseMax))
	case c.GiveUpAfter < 0:
		return errors.New("give up after: want 0 or more")
	}
	return c.Breaker.Validate()
}
