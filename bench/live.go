package bench

// Here describes the environment of this process, for the measurements of package live.
func Here() Environment { return environment() }
