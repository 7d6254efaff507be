-- Reports multiply by UnitQty + BaseUnits as stored, the program by at least 1: they agree only without these rows.
{{ config(severity='warn') }}
select procedure_id, unit_quantity, base_units
from {{ ref('stg_opendental__procedurelog') }}
where procedure_status = 2
    and unit_quantity + base_units < 1
