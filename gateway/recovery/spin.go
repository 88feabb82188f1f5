package recovery

import "tidegate/codec/pitch"

// plausiblePITCH is plausible for PITCH, whose messages may become longer at their end.
func plausiblePITCH(msg []byte) bool {
	n := pitch.LengthMin(msg[0])
	return n > 0 && len(msg) >= n
}
