// Package openfile opens recorded files whatever their compression, and writes output files that
// are either complete or absent.
//
// To read, Open a path. The compression is told from the first bytes of the file, never from its
// name: gzip (one or several members), zstd (one or several frames), else plain. What a damaged
// file still holds is delivered before the damage is reported:
//
//	f, err := openfile.Open("day.pcap.gz")
//	if err != nil {
//		return err // missing, a directory, ErrEmpty
//	}
//	defer f.Close()
//	_, err = io.Copy(dst, f) // nil, or wraps ErrCut or ErrCorrupt after all that could be unpacked
//
// To write, Create a path. The bytes go to a temporary file beside it, which takes the path's place
// when Close succeeds:
//
//	w, err := openfile.Create("day.mbo.dbn.zst")
//	if err != nil {
//		return err
//	}
//	defer w.Abort() // does nothing after Close
//	if _, err := w.Write(b); err != nil {
//		return err
//	}
//	return w.Close()
//
// An output whose beginning depends on all the rest, such as DBN, goes through a HeadedWriter.
//
// Nothing here starts a goroutine.
package openfile
