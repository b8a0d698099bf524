package proxy

import "sallyport/audit"

// rowBase is what a row takes of the trail beside its texts: two events, their hashes, what
// every row says, and the row of the index.
const rowBase = 700

// eventBase is what an event beside a row takes, beside its list.
const eventBase = rowBase / 2

// longestStored is at which length a path is cut before it is stored.
const longestStored = 2 << 10

// rowWeight is about how many bytes an exchange takes in the trail, whose texts are indexed
// too.
func rowWeight(in *audit.Intent, out *audit.Outcome) int {
	n := rowBase + 2*min(len(in.Path), longestStored) + 2*len(in.Resource) + weightOf(in.Details)
	if out != nil {
		n += outcomeWeight(out)
	}
	return n
}

// outcomeWeight is what the texts of an outcome add to that.
func outcomeWeight(out *audit.Outcome) int { return 2*len(out.Error) + weightOf(out.Details) }

// weightOf is about how many bytes a value of a row's details takes.
func weightOf(value any) int {
	n := 4
	switch value := value.(type) {
	case string:
		n += len(value)
	case []string:
		for _, one := range value {
			n += len(one) + 2
		}
	case []any:
		for _, one := range value {
			n += weightOf(one)
		}
	case map[string]any:
		for key, one := range value {
			n += len(key) + weightOf(one)
		}
	}
	return n
}
