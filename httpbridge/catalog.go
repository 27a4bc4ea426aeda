package httpbridge

import "slices"

// Catalog knows the services that can be called. It is asked at every call on /rpc, from many goroutines at once.
type Catalog interface {
	// Service is what is known of a service; nil if nobody refers to it. It must not allocate.
	Service(name []byte) *Service
	// Services lists all of them, by name. The caller owns the slice.
	Services() []*Service
}

// Service is what a configuration says of a service that programs call. It is not changed once it is in a [Catalog].
type Service struct {
	Name        string
	Description string
	Groups      []string            // of its refers
	Get         []string            // methods that GET may call, "*" for all
	Methods     map[string][]Method // those that are described, by name; several where the method is overloaded
}

// Method is what a configuration says of a method.
type Method struct {
	Name        string
	Signature   string // the types of its parameters as in M_md; empty if they are not known
	Description string
	Example     string // arguments as a JSON array; empty if there is none
}

// mayGet tells whether GET may call the method.
func (s *Service) mayGet(method []byte) bool {
	return slices.ContainsFunc(s.Get, func(name string) bool { return name == "*" || name == string(method) })
}

// signature is that of the method where the configuration has exactly one.
func (s *Service) signature(method []byte) string {
	if all := s.Methods[string(method)]; len(all) == 1 {
		return all[0].Signature
	}
	return ""
}
