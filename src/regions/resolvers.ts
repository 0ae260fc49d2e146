import { fieldsOf, find, pageOf } from '../graphql/fields.ts'
import type { QueryRegionArgs, QueryRegionsArgs, Resolvers } from '../graphql/generated.ts'
import { writeId } from '../ids.ts'
import { translated } from '../languages.ts'
import { searchTerm } from '../name-keys.ts'
import { readRegionCode } from './code.ts'
import { byCode, regionByCode, regionList } from './reads.ts'
import { containing, type RegionRow } from './store.ts'

const { from, one } = fieldsOf<RegionRow>()

export const regionResolvers: Resolvers = {
  Query: {
    region: find(regionByCode, ({ code }: QueryRegionArgs) => readRegionCode(code)),
    regions: pageOf(regionList, ({ filter }: Partial<QueryRegionsArgs>) => ({
      order: byCode,
      input: {
        levels: filter?.levels,
        province: filter?.province == null ? null : readRegionCode(filter.province),
        name: filter?.name == null ? null : containing(searchTerm(filter.name)),
      },
    })),
  },
  Region: {
    id: from(['id'], region => writeId('Region', region.id)),
    name: from(['names'], (region, { locale }, context) => translated(region.names, locale ?? context.locale)!),
    shortName: from(
      ['names', 'shortNames'],
      (region, { locale }, context) =>
        translated(region.shortNames, locale ?? context.locale) ?? translated(region.names, locale ?? context.locale)!,
    ),
    province: one(regionByCode, 'provinceCode'),
    parent: one(regionByCode, 'parentCode'),
    coordinates: from(['longitude', 'latitude'], ({ longitude, latitude }) =>
      longitude === null || latitude === null ? null : { longitude, latitude },
    ),
  },
}
