"""Every limit of the node with its default; `settings.py` lets an operator change them."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds on what the node takes, does and answers.

    Args:
        body_bytes_max: largest HTTP request body.
        resource_bytes_max: largest single resource, by HTTP or from a file.
        document_bytes_max: largest whole document, Bundle or line of a file that is held in memory at once.
        body_elements_max: most objects, arrays and tags of one HTTP request body.
        repetitions_max: most items of one array, or members of one object, of an HTTP request body.
        depth_max: deepest nesting of JSON or XML.
        bundle_entries_max: most entries of a Bundle sent over HTTP.
        page_count_default, page_count_max: resources on a page of search results.
        include_count_max: most resources that _include and _revinclude add to a page.
        search_candidates_max: most resources a chain or _has may pass through.
        search_values_max: most comma-separated values, and most parameters, of one search.
        search_criteria_max: most conditions of one search, those in chains and _has included.
        search_unindexed_max: most of them that no index answers: :missing, :not, a string of two letters.
        searches_at_once_max: most searches of one caller that run at once; others wait, then are refused.
        lookups_per_minute_max: most patients that one node looks up in a minute.
        lookups_per_day_max: most of them on a day (UTC); those in emergencies are counted apart.
        unproven_patients_per_day_max: most patients whom one node may ask for a day (UTC) without showing
            that they are with its professional.
        emergency_patients_per_day_usual: most patients whom one node opens in emergencies on a day (UTC)
            before the auditor is told; none is refused.
        stated_treatments_per_day_max: most patients of whom one professional may state on a day (UTC) that
            they treat them, without anything that shows it.
        assisted_people_per_day_max: most people whom one member of staff at a desk helps on a day (UTC).
        connections_max: most connections that a server process has open; it keeps a quarter of them free.
        connections_address_max: most of them of one address; those idle longest are closed first.
        headers_ms_max: longest that a connection is idle and its next request's headers take.
        message_connections_max: most connections of a listener for messages (`salus listen`).
        message_idle_ms_max: longest that one is idle between two messages.
        transfer_grace_ms: longest that a body takes to arrive, or an answer to be read, whatever its size.
        transfer_grace_anonymous_ms: the same, if shorter, of a body that comes without a token.
        transfer_bytes_per_second_min: what must be over for each second beyond that.
        large_work_ms_per_minute_max: processor time of one caller's patches and answers of large resources.
        print_bytes_max: most that a document may say to be printed as a PDF.
        print_ms_max: longest that printing one takes.
        check_bytes_max: largest file that the page /check takes.
        check_ms_per_minute_max: processor time of the checks of one visitor, or one address, on that page.
        check_waiting_max: most checks that wait on that page in one server process.
        transaction_ms_max: longest that a transaction works; after that it is refused whole.
        batch_ms_max: longest that a batch works; entries after that are refused.
        batch_bytes_max: largest answer to a batch; entries after that are refused.
        statement_timeout_ms: longest single SQL statement of a request.
        terminology_ms_max: longest that a terminology operation works; after that it is refused.
        expansion_codes_max: most codes of an expansion that asks for no page.
        imaging_ms_max: longest that an archive of pictures takes for one answer.
        imaging_json_bytes_max: largest answer of an archive about studies, series and instances.
        imaging_picture_bytes_max: largest rendered picture.
        imaging_transfer_bytes_max: most bytes of DICOM that one request takes through the node.
        imaging_transfer_ms_max: longest that they take.
        peer_deadline_ms: how long a federated question waits for a peer.
        token_seconds: life of an access token.
        clock_skew_seconds: tolerated difference between two nodes' clocks.
        message_pause_minutes: least time between two messages by one way that tell a person of notices.
        alone_seconds: how long data crosses borders without witnesses of the audit; then emergencies only.
        quarantine_days: how long rejected input is kept.
    """

    body_bytes_max: int = 16 * 1024 * 1024
    resource_bytes_max: int = 8 * 1024 * 1024
    document_bytes_max: int = 32 * 1024 * 1024
    body_elements_max: int = 250_000
    repetitions_max: int = 30_000
    depth_max: int = 64
    bundle_entries_max: int = 5_000
    page_count_default: int = 50
    page_count_max: int = 1_000
    include_count_max: int = 5_000
    search_candidates_max: int = 20_000
    search_values_max: int = 200
    search_criteria_max: int = 32
    search_unindexed_max: int = 4
    searches_at_once_max: int = 4
    lookups_per_minute_max: int = 120
    lookups_per_day_max: int = 2_000
    unproven_patients_per_day_max: int = 50
    emergency_patients_per_day_usual: int = 20
    stated_treatments_per_day_max: int = 20
    assisted_people_per_day_max: int = 40
    connections_max: int = 4_096
    connections_address_max: int = 1_024
    headers_ms_max: int = 30_000
    message_connections_max: int = 64
    message_idle_ms_max: int = 600_000
    transfer_grace_ms: int = 20_000
    transfer_grace_anonymous_ms: int = 5_000
    transfer_bytes_per_second_min: int = 16 * 1024
    large_work_ms_per_minute_max: int = 30_000
    print_bytes_max: int = 4 * 1024 * 1024
    print_ms_max: int = 20_000
    check_bytes_max: int = 5 * 1024 * 1024
    check_ms_per_minute_max: int = 10_000
    check_waiting_max: int = 20
    transaction_ms_max: int = 30_000
    batch_ms_max: int = 10_000
    batch_bytes_max: int = 32 * 1024 * 1024
    statement_timeout_ms: int = 10_000
    terminology_ms_max: int = 10_000
    expansion_codes_max: int = 1_000
    imaging_ms_max: int = 10_000
    imaging_json_bytes_max: int = 8 * 1024 * 1024
    imaging_picture_bytes_max: int = 2 * 1024 * 1024
    imaging_transfer_bytes_max: int = 2 * 1024 * 1024 * 1024
    imaging_transfer_ms_max: int = 600_000
    peer_deadline_ms: int = 5_000
    token_seconds: int = 300
    clock_skew_seconds: int = 60
    message_pause_minutes: int = 360
    alone_seconds: int = 600
    quarantine_days: int = 90
