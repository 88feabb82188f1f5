// Package itch50 reads and writes the messages of Nasdaq TotalView-ITCH 5.0, the order-by-order feed
// of Nasdaq, BX and PSX.
package itch50
