package livevenue

import (
	"net/netip"

	"tidegate/internal/venue"
)

// A PitchStatus is what is served of PITCH over TCP.
type PitchStatus struct {
	Address netip.AddrPort `json:"address"`
	venue.PitchSettings
	Open       int               `json:"open"`        // connections at present
	TurnedAway uint64            `json:"turned_away"` // connections that were one too many
	Counts     venue.PitchCounts `json:"counts"`
}

// GapsAddr returns where gap requests are taken, and SpinAddr where images are served; the zero address if they
// are not.
func (v *Venue) GapsAddr() netip.AddrPort { return v.gaps.addr() }
func (v *Venue) SpinAddr() netip.AddrPort { return v.spin.addr() }

// SetGaps has change alter what is wrong with gap requests, at once and on all connections, and returns what is so
// then. On an error of change, or for settings that make no sense, nothing is altered.
func (v *Venue) SetGaps(change func(*venue.PitchSettings) error) (PitchStatus, error) {
	return v.setPitch(v.gaps, change)
}

// SetSpin does for images what SetGaps does for gap requests.
func (v *Venue) SetSpin(change func(*venue.PitchSettings) error) (PitchStatus, error) {
	return v.setPitch(v.spin, change)
}

func (v *Venue) setPitch(s *soupServer, change func(*venue.PitchSettings) error) (status PitchStatus, err error) {
	if s == nil {
		return PitchStatus{}, errNoSoup
	}
	if ended := v.Do(func(*venue.LiveFeed) {
		settings := s.pitch.Settings()
		if err = change(&settings); err == nil && settings != s.pitch.Settings() {
			err = s.pitch.Set(settings)
			s.tell()
		}
		status = PitchStatus{
			Address: s.addr(), PitchSettings: s.pitch.Settings(), Open: s.open(),
			TurnedAway: s.turnedAway.Load(), Counts: s.pitch.Counts(),
		}
	}); ended != nil {
		return PitchStatus{}, ended
	}
	return status, err
}
