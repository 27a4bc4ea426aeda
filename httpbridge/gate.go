package httpbridge

import "bytes"

// Bounds of what is between the chunks of a body.
const (
	chunkLine    = 256 // bytes of the line with a chunk's size
	trailerBytes = 4 << 10
)

// gate stands before the reader of a connection and follows the requests on it, byte by byte of their framing. What it has
// not checked is not read: the last byte of a head comes through when the whole head has passed.
type gate struct {
	state   gateState
	left    int64 // bytes of the body, or of the chunk, that are still to come
	trailer int   // bytes of the trailer
	part    []byte
	ended   uint64   // requests that have passed to their end
	refusal *refusal // nil until something was wrong; nothing passes then
}

type gateState byte

const (
	gateHead    gateState = iota // part has the head as far as it has come
	gateBody                     // of a known length
	gateSize                     // the line before a chunk
	gateChunk                    // the chunk
	gateEnd                      // the CR and LF behind it
	gateTrailer                  // the lines behind the last chunk
	gateTunnel                   // whatever comes behind CONNECT
)

// pass returns how many bytes of b may be read. When that is not all of them, refusal says why; of a request that is refused
// the first byte passes, so that its reader knows of it.
func (g *gate) pass(b []byte) int {
	passed := 0
	for passed < len(b) && g.refusal == nil {
		rest := b[passed:]
		switch g.state {
		case gateHead:
			passed += g.head(rest)
		case gateBody, gateChunk:
			n := min(int64(len(rest)), g.left)
			g.left -= n
			passed += int(n)
			if g.left == 0 && g.state == gateBody {
				g.end()
			} else if g.left == 0 {
				g.state = gateEnd
			}
		case gateTunnel:
			passed = len(b)
		default:
			passed += g.between(rest)
		}
	}
	return passed
}

// head takes a head, or a part of it.
func (g *gate) head(b []byte) int {
	whole, taken, first := b, len(b), len(g.part) == 0
	if !first {
		from := max(len(g.part)-3, 0)
		g.part = append(g.part, b[:min(len(b), headBytes+1-len(g.part))]...)
		if !hasHeadEnd(g.part[from:]) && len(g.part) <= headBytes {
			return taken
		}
		whole = g.part
	}
	h, err := checkHead(whole)
	if err == nil && (h.size > headBytes || h.size == 0 && len(whole) > headBytes) {
		err = errHeadSize
	}
	switch {
	case err != nil:
		g.refusal = err
		if first {
			return 1
		}
		return 0
	case h.size == 0:
		g.part = append(g.part, whole[len(g.part):]...)
		return taken
	}
	taken = len(b) - (len(whole) - h.size)
	g.part = nil // most heads come whole and need none
	g.left = h.length
	switch {
	case h.connect:
		g.end()
		g.state = gateTunnel
	case h.chunked:
		g.state = gateSize
	case h.length > 0:
		g.state = gateBody
	default:
		g.end()
	}
	return taken
}

// end is behind a request.
func (g *gate) end() {
	g.state = gateHead
	g.ended++
}

// hasHeadEnd tells whether an empty line is in b, whichever way lines end.
func hasHeadEnd(b []byte) bool {
	return bytes.Contains(b, []byte("\n\n")) || bytes.Contains(b, []byte("\n\r\n"))
}

// between takes a line of those that are around chunks, or a part of it.
func (g *gate) between(b []byte) int {
	limit := chunkLine
	if g.state == gateTrailer {
		limit = trailerBytes
	}
	end := bytes.IndexByte(b, '\n') + 1
	if end == 0 {
		end = len(b)
	}
	line := b[:end]
	if len(g.part) > 0 || line[end-1] != '\n' {
		g.part = append(g.part, line[:min(end, limit+1-len(g.part))]...)
		line = g.part
	}
	switch {
	case len(line) > limit:
		g.refusal = errChunk
		if g.state == gateTrailer {
			g.refusal = errTrailer
		}
	case line[len(line)-1] == '\n':
		g.refusal = g.line(line)
		g.part = nil
	}
	if g.refusal != nil {
		return 0
	}
	return end
}

// line reads a whole line of those.
func (g *gate) line(line []byte) *refusal {
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	switch g.state {
	case gateSize:
		size, valid := chunkSize(text)
		if !ok || !valid {
			return errChunk
		}
		g.state, g.left = gateChunk, size
		if size == 0 {
			g.state, g.trailer = gateTrailer, 0
		}
	case gateEnd:
		if !ok || len(text) > 0 {
			return errChunkEnd
		}
		g.state = gateSize
	case gateTrailer:
		if g.trailer += len(line); !ok || g.trailer > trailerBytes {
			return errTrailer
		}
		if len(text) == 0 {
			g.end()
			return nil
		}
		var h head
		if err := h.field(text); err != nil || h.hosts+h.lengths+h.codings > 0 {
			return errTrailer
		}
	}
	return nil
}

// chunkSize reads the line before a chunk: hexadecimal digits, and perhaps an extension.
func chunkSize(text []byte) (size int64, ok bool) {
	digits := text
	if semicolon := bytes.IndexByte(text, ';'); semicolon >= 0 {
		digits = text[:semicolon]
		if !isVisible(text[semicolon:]) {
			return 0, false
		}
	}
	if len(digits) == 0 || len(digits) > 15 {
		return 0, false
	}
	for _, b := range digits {
		if !isHex(b) {
			return 0, false
		}
		size = size<<4 | int64(unhex(b))
	}
	return size, true
}
