package metrics

// Outcome says how a call ended.
type Outcome uint8

// The outcomes that every Registry has. Those of [Kind] follow.
const (
	OK           Outcome = iota // an answer
	BizException                // an exception that the implementation has thrown (errtype 2)
	Exception                   // an exception of the provider's framework or service layer
	firstKind
)

// maxOutcomes bounds a series; 16 counters are two lines of a cache.
const maxOutcomes = 16

// Kind is the outcome of a call that had no answer, for an error of the kind with that
// number, counted from 0 in Options.Kinds.
func Kind(number int) Outcome {
	if number < 0 || number >= maxOutcomes-int(firstKind) {
		return firstKind
	}
	return firstKind + Outcome(number)
}

// outcomeNames are the names of outcomes in metrics. An outcome that has none is counted as
// the first kind.
func outcomeNames(kinds []string) []string {
	names := []string{OK: "ok", BizException: "biz_exception", Exception: "exception"}
	if len(kinds) == 0 {
		kinds = []string{"other"}
	}
	names = append(names, kinds...)
	return names[:min(len(names), maxOutcomes)]
}
