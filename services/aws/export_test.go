package aws

// Facts are what a test says of a call that no request is at hand for.
type Facts = facts
