package motan

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

var (
	inflaters sync.Pool // of *gzip.Reader
	deflaters sync.Pool // of *gzip.Writer at gzip.BestSpeed, the level of the peers
)

// Gzipped tells whether the body is compressed.
func (f *Frame) Gzipped() bool { return f.Type&FlagGzip != 0 }

// Inflate replaces a compressed body by the plain one of at most limit bytes. A body that
// would be larger is an error that wraps [ErrOversize], found before it is held in memory.
func (f *Frame) Inflate(limit int) error {
	if !f.Gzipped() {
		return nil
	}
	plain, err := inflate(f.body, limit)
	if err != nil {
		return fmt.Errorf("motan: inflate a body of %d bytes: %w", len(f.body), err)
	}
	f.body = plain
	f.Type &^= FlagGzip
	return nil
}

func inflate(body []byte, limit int) ([]byte, error) {
	r, _ := inflaters.Get().(*gzip.Reader)
	if r == nil {
		r = new(gzip.Reader)
	}
	defer inflaters.Put(r)
	if err := r.Reset(bytes.NewReader(body)); err != nil {
		return nil, err
	}
	plain := bytes.NewBuffer(make([]byte, 0, min(4*len(body), limit+1)))
	n, err := io.Copy(plain, io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if n > int64(limit) {
		return nil, fmt.Errorf("%w: more than %d bytes when inflated", ErrOversize, limit)
	}
	return plain.Bytes(), nil
}

// Deflate compresses a plain body of more than threshold bytes (mingzSize); a threshold of
// 0 or less means never.
func (f *Frame) Deflate(threshold int) error {
	if threshold <= 0 || f.Gzipped() || len(f.body) <= threshold {
		return nil
	}
	w, _ := deflaters.Get().(*gzip.Writer)
	if w == nil {
		var err error
		if w, err = gzip.NewWriterLevel(nil, gzip.BestSpeed); err != nil {
			return fmt.Errorf("motan: deflate: %w", err)
		}
	}
	defer deflaters.Put(w)
	out := bytes.NewBuffer(make([]byte, 0, len(f.body)/2))
	w.Reset(out)
	if _, err := w.Write(f.body); err != nil {
		return fmt.Errorf("motan: deflate: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("motan: deflate: %w", err)
	}
	f.body = out.Bytes()
	f.Type |= FlagGzip
	return nil
}
