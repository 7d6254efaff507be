{{ config(tags=['quality', 'date_relative']) }}

with counts as (
    select * from {{ ref('int_orphans_counted') }}
    union all
    select * from {{ ref('int_unknown_codes_counted') }}
    union all
    select * from {{ ref('int_impossible_dates_counted') }}
    union all
    select * from {{ ref('int_money_gaps_counted') }}
)

select
    {{ as_of_date() }} as as_of_date,
    cast(check_kind as text) as check_kind,
    cast(table_name as text) as table_name,
    cast(column_name as text) as column_name,
    rows_checked,
    rows_found,
    {{ ratio('rows_found', 'rows_checked') }} as found_share
from counts
