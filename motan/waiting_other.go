//go:build !linux

package motan

import (
	"errors"
	"time"
)

// waiting is not to be had here: every connection keeps its reader.
type waiting struct{}

func newWaiting() (*waiting, error) { return nil, errors.ErrUnsupported }

func (w *waiting) add(int32) error                 { return errors.ErrUnsupported }
func (w *waiting) remove(int32)                    {}
func (w *waiting) wait(time.Time) ([]int32, error) { return nil, errors.ErrUnsupported }
func (w *waiting) close()                          {}
