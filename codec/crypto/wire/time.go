package wire

import "tidegate/market"

// Time reads a time as text, in the form of RFC 3339 with the zone Z and up to nine decimals of the
// second: "2021-04-17T16:43:37.075687Z".
func (s *Scanner) Time() market.Nanos {
	if t, ok := s.sameDay(); ok {
		return t
	}
	text := s.Text()
	t, ok := parseTime(text)
	if !ok {
		s.Fail(market.BadTime)
		return 0
	}
	// The next time will be of the same day.
	copy(s.day[:], text)
	s.dayStart = t - t%market.Day
	return t
}

// sameDay reads a time of the day of the last one, with six decimals of the second, as venues send it.
func (s *Scanner) sameDay() (t market.Nanos, ok bool) {
	const form = `"2006-01-02T15:04:05.000000Z"`
	if len(s.b)-s.i < len(form) {
		return 0, false
	}
	b := s.b[s.i : s.i+len(form)]
	if b[0] != '"' || string(b[1:12]) != string(s.day[:]) || b[14] != ':' || b[17] != ':' || b[20] != '.' || b[27] != 'Z' || b[28] != '"' {
		return 0, false
	}
	hours, n1 := digits8(load8(b, 12))
	minutes, n2 := digits8(load8(b, 15))
	seconds, n3 := digits8(load8(b, 18))
	// The point before "075687Z" is taken for a zero.
	micros, n4 := digits8(load8(b, 20)&^0xFF | '0')
	if n1 != 2 || n2 != 2 || n3 != 2 || n4 != 7 || hours > 23 || minutes > 59 || seconds > 59 {
		return 0, false
	}
	s.i += len(form)
	return s.dayStart + market.Nanos(hours*3600+minutes*60+seconds)*market.Second + market.Nanos(micros)*market.Microsecond, true
}

// Millis reads a time in milliseconds since the Unix epoch, as number or as text.
func (s *Scanner) Millis() market.Nanos { return s.since(market.Millisecond) }

// Micros reads a time in microseconds since the Unix epoch, as number or as text.
func (s *Scanner) Micros() market.Nanos { return s.since(market.Microsecond) }

func (s *Scanner) since(unit market.Nanos) market.Nanos {
	n := s.Int()
	if n < 0 || n > int64((1<<63-1)/unit) {
		s.Fail(market.BadTime)
		return 0
	}
	return market.Nanos(n) * unit
}

// Seconds reads a time in seconds since the Unix epoch with decimals, as number or as text.
func (s *Scanner) Seconds() market.Nanos {
	p, ok := s.Decimal().Price() // units of 1e-9 in both
	if !ok {
		s.Fail(market.BadTime)
		return 0
	}
	return market.Nanos(p)
}

func parseTime(b []byte) (t market.Nanos, ok bool) {
	if len(b) < len("2006-01-02T15:04:05Z") || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' ||
		b[16] != ':' || b[len(b)-1] != 'Z' {
		return 0, false
	}
	bad := false
	two := func(i int) int64 {
		tens, ones := b[i]-'0', b[i+1]-'0'
		bad = bad || tens > 9 || ones > 9
		return int64(tens)*10 + int64(ones)
	}
	year := two(0)*100 + two(2)
	month, day := two(5), two(8)
	hour, minute, second := two(11), two(14), two(17)
	// Years that market.Nanos can hold, with room to spare.
	if bad || year < 1970 || year > 2200 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	var nanos int64
	if frac := b[19 : len(b)-1]; len(frac) > 0 {
		if frac[0] != '.' || len(frac) == 1 || len(frac) > 10 {
			return 0, false
		}
		unit := int64(market.Second)
		for _, c := range frac[1:] {
			if c-'0' > 9 {
				return 0, false
			}
			unit /= 10
			nanos += int64(c-'0') * unit
		}
	}
	seconds := daysSinceEpoch(year, month, day)*86400 + hour*3600 + minute*60 + second
	return market.Nanos(seconds)*market.Second + market.Nanos(nanos), true
}

func daysIn(year, month int64) int64 {
	if month == 2 {
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 30 + (month+month/8)%2
}

// daysSinceEpoch counts from 1970-01-01. Years are taken to begin in March, so that the day that leap
// years have more is their last.
func daysSinceEpoch(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 719469
}
