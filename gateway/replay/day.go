package replay

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
	_ "time/tzdata" // venues count from New York midnight; machines without a zone database do too

	"tidegate/market"
)

// newYork is where the days of Nasdaq, Cboe and IEX begin.
var newYork = func() *time.Location {
	loc, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic(fmt.Sprintf("replay: embedded zone database: %v", err))
	}
	return loc
}()

// midnightOf returns the New York midnight before t, which ITCH and PITCH times count from.
func midnightOf(t market.Nanos) market.Nanos {
	y, m, d := time.Unix(0, int64(t)).In(newYork).Date()
	return market.Nanos(time.Date(y, m, d, 0, 0, 0, 0, newYork).UnixNano())
}

// ParseDay returns the New York midnight of a day written 2019-01-30.
func ParseDay(s string) (market.Nanos, error) {
	t, err := time.ParseInLocation(time.DateOnly, s, newYork)
	if err != nil {
		return 0, fmt.Errorf("day %q: want a day of the calendar as YYYY-MM-DD", s)
	}
	return market.Nanos(t.UnixNano()), nil
}

var dayPatterns = []struct {
	re               *regexp.Regexp
	year, month, day int // submatch numbers
}{
	{regexp.MustCompile(`^(\d{2})(\d{2})(20\d{2})\.`), 3, 1, 2},              // 01302019.NASDAQ_ITCH50.gz
	{regexp.MustCompile(`^S(\d{2})(\d{2})(\d{2})[-_.]`), 3, 1, 2},            // S071321-v50.txt.gz
	{regexp.MustCompile(`(20\d{2})-?(\d{2})-?(\d{2})(?:[^0-9]|$)`), 1, 2, 3}, // day-20240131.itch
}

// dayFromName guesses the day of an ITCH file, whose messages carry only the time of day, from its
// name. ok is false where the name says nothing.
func dayFromName(path string) (midnight market.Nanos, ok bool) {
	base := filepath.Base(path)
	for _, p := range dayPatterns {
		m := p.re.FindStringSubmatch(base)
		if m == nil {
			continue
		}
		y, _ := strconv.Atoi(m[p.year])
		if y < 100 {
			y += 2000
		}
		if t, err := ParseDay(fmt.Sprintf("%04d-%s-%s", y, m[p.month], m[p.day])); err == nil {
			return t, true
		}
	}
	return 0, false
}
