"""FHIRPath (N1, http://hl7.org/fhirpath) over FHIR R4, compiled to closures.

    from salus.standards.fhir.fhirpath.expression import Environment, compile_expression

    expression = compile_expression("name.where(use = 'official').given", "Patient")   # cached
    expression(patient)            -> ["Peter", "James"]      plain values
    expression.nodes(patient)      -> [Node(value, type, parent, key, index), ...]   with type and location
    expression.typed(patient)      -> [("string", "Peter"), ...]   (FHIR type name, JSON value)
    expression.test(element, env)  -> bool   the invariant holds (an empty answer counts as true)

The root type may be left out; with it the paths are resolved when compiled, which is several times faster.
`expression(resource, Environment(...))`: an element is given together with `Environment(resource=...)`, what
`%resource` means; `resolve`, `expand` and `conforms` are functions that the caller supplies.
A type of the standard is named as in `salus.standards.fhir.model` ("Patient", "Patient.contact", "code").
Everything that fails is `InvalidExpression` (with the position in the text) or `TooCostly`.
"""
