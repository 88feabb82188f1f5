// Package netloop receives and sends UDP datagrams in batches, for loops that own their thread. It is
// for Linux; on other systems the package is empty.
//
// A Socket is one line: a multicast group joined on one interface, or a unicast address. It has a
// receive buffer that outlives a stall of the scheduler, the kernel's receive time of every datagram,
// and the kernel's count of what it dropped. Receive takes up to a Batch of datagrams in one system
// call and never waits. A Poller is how a loop spends the time in which no socket has anything:
//
//	socket, err := netloop.Listen(netloop.Config{Addr: group, Interface: "eth1"})
//	poller, err := netloop.NewPoller(netloop.Backoff, time.Millisecond)
//	err = poller.Add(socket)
//	batch := netloop.NewBatch(netloop.BatchDatagrams, netloop.DatagramBytes)
//	runtime.LockOSThread()
//	for {
//		n, err := socket.Receive(batch)
//		for i := range n {
//			// batch.Payload(i), received by the kernel at batch.Stamp(i)
//		}
//		err = poller.Idle(now, n > 0)
//	}
//
// It uses system calls and no net.UDPConn: the runtime's poller moves a goroutine that owns a thread
// from one thread to another at each wake-up, which doubles the processor time per datagram.
//
// After setting up, nothing here allocates.
package netloop
