package aws

import "sallyport/policy"

// facts are what a call of AWS's has beyond what every call has ([policy.Call]).
type facts struct {
	Region    string // where it is done: "eu-west-1"; empty if it is not known
	Container string // the ARN of a listing's bucket: a rule that names it means the listing too
	Unknown   string // why the resource is not known, if that can be said
}

// factsOf are the call's; none of a call that has none.
func factsOf(c *policy.Call) facts {
	if f, ok := c.Facts.(*facts); ok {
		return *f
	}
	return facts{}
}
