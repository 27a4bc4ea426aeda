package registry

import "errors"

// Accepts reports whether a caller that looks for s can use n, by version and protocol (motan protocol, section 5.4):
// an empty field of s accepts anything; a node without a version is 0.1 or 1.0, as implementations differ; a caller of
// protocol motan can use a motan2 node, and everybody a local one. Group and path are not compared.
func (s Service) Accepts(n Node) bool {
	return acceptsVersion(s.Version, n.Version) && acceptsProtocol(s.Protocol, n.Protocol)
}

func acceptsVersion(want, have string) bool {
	if want == "" || want == have {
		return true
	}
	return have == "" && (want == "0.1" || want == "1.0")
}

func acceptsProtocol(want, have string) bool {
	switch {
	case want == "" || want == have || have == "local":
		return true
	case want == "motan" || want == "cedrus":
		return have == "motan2"
	}
	return false
}

// check reports what is wrong with asking for s.
func (s Service) check(update func([]Node)) error {
	switch {
	case s.Path == "":
		return errors.New("registry: watch: the service has no path")
	case update == nil:
		return errors.New("registry: watch: no receiver for updates")
	}
	return nil
}

// serviceKey is what a list of nodes is kept under: versions and protocols of a service share it.
type serviceKey struct{ group, path string }

func (s Service) key() serviceKey { return serviceKey{s.Group, s.Path} }
