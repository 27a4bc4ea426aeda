package registry

import "errors"

// ErrClosed is returned by Watch and Announce of a registry that was closed.
var ErrClosed = errors.New("registry: closed")
